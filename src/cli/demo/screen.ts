/** Where the demo draws: in place on a terminal, a line now and then elsewhere, nothing under --json. */
export class Screen {
  readonly #isLive: boolean;
  readonly #isQuiet: boolean;
  #lastLine = '';

  constructor({ isLive, isQuiet }: { isLive: boolean; isQuiet: boolean }) {
    this.#isLive = isLive;
    this.#isQuiet = isQuiet;
    if (isLive) process.stdout.write('\u001b[?1049h\u001b[?25l');
  }

  get width(): number {
    return Math.min(process.stdout.columns ?? 80, 120);
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Redraws the whole view. */
  draw(text: string): void {
    if (!this.#isLive) return;
    const rows = process.stdout.rows ?? 40;
    const lines = text.split('\n').slice(0, rows - 1);
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
  }

  /** One line of progress, where nothing is drawn in place; the same line is not said twice. */
  say(line: string): void {
    if (this.#isLive || this.#isQuiet || line === this.#lastLine) return;
    this.#lastLine = line;
    process.stdout.write(`${line}\n`);
  }

  close(): void {
    if (this.#isLive) process.stdout.write('\u001b[?25h\u001b[?1049l');
  }
}
