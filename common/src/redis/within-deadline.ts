/** The answer, or undefined when there is none in time. @param onLate - called when it is late, before this resolves */
export async function withinDeadline<T>(
  answer: Promise<T>,
  deadlineMs: number,
  onLate: () => void,
): Promise<T | undefined> {
  let deadline: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    deadline = setTimeout(() => {
      // Where this process itself was busy the answer may have come and not been read: two rounds of the event loop read it.
      setImmediate(() =>
        setImmediate(() => {
          if (deadline === undefined) return;
          onLate();
          resolve(undefined);
        }),
      );
    }, deadlineMs);
  });
  return Promise.race([answer, late]).finally(() => {
    clearTimeout(deadline);
    deadline = undefined;
  });
}
