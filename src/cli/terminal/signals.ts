const SAME_WISH_MS = 500;

/** The next Ctrl-C or SIGTERM. */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
  });
}

/**
 * Ends the process at once at one more signal. npm and the terminal may both pass on one Ctrl-C: what comes at once is
 * the same wish.
 */
export function stopAtSecondSignal(): void {
  const from = performance.now() + SAME_WISH_MS;
  const stop = (code: number) => () => {
    if (performance.now() > from) process.exit(code);
  };
  process.on('SIGINT', stop(130)).on('SIGTERM', stop(143));
}
