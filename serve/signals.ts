/** Resolves with the first of these signals; a second one ends the process at once, as if nobody had listened. */
export function nextSignal(...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    const caught = (signal: NodeJS.Signals) => {
      for (const each of signals) process.removeListener(each, caught)
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, caught)
  })
}
