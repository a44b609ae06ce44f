/** A part of the terminal that is drawn again and again in place. */
export interface Screen {
  /** Shows a text; what does not fit is left out and said so. */
  draw(text: string): void;
  /** Gives the terminal back as it was, and leaves the last text in it. */
  close(): void;
}

/** The escape sequences of xterm and its kin: alternate screen, cursor, wrapping; home, erase to the end of line, of screen. */
const [ENTER, LEAVE] = ['\u001b[?1049h\u001b[?25l\u001b[?7l', '\u001b[?7h\u001b[?25h\u001b[?1049l'];
const [HOME, END_OF_LINE, END_OF_SCREEN] = ['\u001b[H', '\u001b[K', '\u001b[J'];

/** Takes over a terminal: alternate screen, no cursor. Whoever opens it closes it, however the program ends. */
export function openScreen(stream: NodeJS.WriteStream): Screen {
  let last = '';
  let isOpen = true;
  stream.write(ENTER);
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    process.removeListener('exit', close);
    stream.write(`${LEAVE}${last}`);
  };
  process.once('exit', close);
  return {
    draw(text) {
      if (!isOpen) return;
      last = text;
      const lines = fit(text.replace(/\n$/, '').split('\n'), stream.rows ?? 24);
      stream.write(`${HOME}${lines.join(`${END_OF_LINE}\n`)}${END_OF_LINE}${END_OF_SCREEN}`);
    },
    close,
  };
}

function fit(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  return [...lines.slice(0, rows - 1), `  ... ${lines.length - rows + 1} more lines: make the window taller`];
}
