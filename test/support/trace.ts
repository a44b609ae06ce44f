/** Calls per minute of the Azure 2023 conversation trace: the load that the criteria must not flap on. */
export const CALLS_PER_MINUTE: readonly number[] = [
  191, 265, 329, 353, 307, 273, 268, 261, 322, 298, 301, 302, 345, 326, 283, 279, 280, 308, 343, 351, 351, 343, 408,
  396, 386, 398, 432, 480, 476, 453, 448, 507, 438, 413, 423, 418, 465, 311, 329, 316, 333, 355, 319, 360, 334, 375,
  330, 249, 221, 249, 265, 280, 256, 254, 242, 260, 246, 225, 37,
];

/** When the trace's calls arrive, in ms from its start: each minute's spread evenly over it. */
export function* arrivals(perMinute: readonly number[] = CALLS_PER_MINUTE): Generator<number> {
  for (const [minute, count] of perMinute.entries()) {
    for (let i = 0; i < count; i++) yield Math.floor(minute * 60_000 + ((i + 0.5) * 60_000) / count);
  }
}
