import type { TestContext } from 'node:test';

const stacks = new WeakMap<TestContext, AsyncDisposableStack>();

/** Has work done after the test, however it ends: what came last is undone first, unlike with `t.after`. */
export function atEnd(t: TestContext, work: () => unknown): void {
  let stack = stacks.get(t);
  if (stack === undefined) {
    const fresh = (stack = new AsyncDisposableStack());
    stacks.set(t, fresh);
    t.after(() => fresh.disposeAsync());
  }
  stack.defer(async () => {
    await work();
  });
}
