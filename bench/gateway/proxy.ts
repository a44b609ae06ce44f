/** Runs a proxy as a child process of the bench: started with the upstream's URL, asked for its processor time. */
export function serve(start: (upstream: string) => Promise<number>): void {
  process.on('message', (message: { upstream?: string; ask?: 'cpu' }) => {
    if (message.upstream !== undefined) void start(message.upstream).then((port) => process.send?.({ port }));
    else {
      const { user, system } = process.cpuUsage();
      process.send?.({ cpuUs: user + system });
    }
  });
  process.on('disconnect', () => process.exit(0));
}
