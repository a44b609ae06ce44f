/** One line of a chart: a value for each step, null if there is none. */
interface Line {
  readonly name: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly stepMs: number;
  /** Formats a value on the axis for a reader. */
  readonly valueText: (value: number) => string;
  readonly timeText: (ms: number) => string;
}

const [WIDTH, HEIGHT] = [760, 200];
const FRAME = { left: 56, right: 12, top: 10, bottom: 24 };
const PLOT = { width: WIDTH - FRAME.left - FRAME.right, height: HEIGHT - FRAME.top - FRAME.bottom };
const TICKS = 4;

/** A line chart as a figure with an inline SVG; colours are names of CSS variables. */
export function drawChart(chart: Chart): string {
  const { title, lines, stepMs, valueText, timeText } = chart;
  const steps = Math.max(1, ...lines.map(({ values }) => values.length));
  const top = niceTop(Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const x = (step: number) => FRAME.left + (PLOT.width * step) / Math.max(1, steps - 1);
  const y = (value: number) => FRAME.top + PLOT.height * (1 - value / top);
  const grid = Array.from({ length: TICKS + 1 }, (_, i) => {
    const value = (top * i) / TICKS;
    const at = y(value).toFixed(1);
    return (
      `<line x1="${FRAME.left}" x2="${WIDTH - FRAME.right}" y1="${at}" y2="${at}" class="grid"/>` +
      `<text x="${FRAME.left - 6}" y="${at}" dy="0.32em" text-anchor="end">${escape(valueText(value))}</text>`
    );
  });
  const times = Array.from({ length: TICKS + 1 }, (_, i) => {
    const step = ((steps - 1) * i) / TICKS;
    const anchor = i === 0 ? 'start' : i === TICKS ? 'end' : 'middle';
    return `<text x="${x(step).toFixed(1)}" y="${HEIGHT - 6}" text-anchor="${anchor}">${escape(timeText(step * stepMs))}</text>`;
  });
  const paths = lines.map(({ color, values }) => {
    return `<path d="${pathOf(values, x, y)}" style="stroke:var(--${color})"/>`;
  });
  const names = lines.map(({ name, color }) => `<span style="color:var(--${color})">${escape(name)}</span>`).join(' ');
  return (
    `<figure><figcaption><b>${escape(title)}</b> ${names}</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(title)}">` +
    `${grid.join('')}${times.join('')}${paths.join('')}</svg></figure>`
  );
}

/** The line is interrupted at missing values; a value between two gaps becomes a short dash. */
function pathOf(values: readonly (number | null)[], x: (step: number) => number, y: (value: number) => number): string {
  let isDown = false;
  return values
    .map((value, step) => {
      if (value === null) {
        isDown = false;
        return '';
      }
      const [command, point] = [isDown ? 'L' : 'M', `${x(step).toFixed(1)} ${y(value).toFixed(1)}`];
      isDown = true;
      return command === 'M' ? `M${point}h0.8` : `L${point}`;
    })
    .join('');
}

/**
 * The least value of 1, 2, 4, 5 or 10 times a power of ten that is not below this value, so that a quarter of it is a
 * round number.
 */
function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

/** Escapes text for HTML. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
