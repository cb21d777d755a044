/** Listeners by the name of what they listen to. */
export class Emitter<Events extends { [name: string]: unknown }> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => unknown>>();

  /** Calls `listener` for each event of this name; returns what takes it off again. */
  on<Name extends keyof Events>(
    name: Name,
    listener: (value: Events[Name]) => unknown,
  ): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => set.delete(listener);
  }

  /**
   * Calls the listeners. One that throws does not keep the others from hearing it; its error is
   * reported as an uncaught one. Returns the promises of those that want to be waited for.
   */
  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): Promise<unknown>[] {
    const waits: Promise<unknown>[] = [];
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        const result = listener(value as never);
        if (result instanceof Promise) waits.push(result.catch(report));
      } catch (error) {
        report(error);
      }
    }
    return waits;
  }
}

const report = (error: unknown): void => {
  queueMicrotask(() => {
    throw error;
  });
};
