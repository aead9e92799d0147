import { SingleBar } from 'cli-progress'
import type { DataSet } from './sets.js'

/** Shows an evaluation on stderr until `stop`. */
export interface Progress {
  step(set: DataSet): void
  /** A line of text without disturbing the bar. */
  say(text: string): void
  stop(): void
}

/** Milliseconds between two lines where there is no terminal. */
const LINE_EVERY = 10_000

/** A bar on a terminal, elsewhere a line now and then. */
export function showProgress(sets: readonly DataSet[], stream: NodeJS.WriteStream): Progress {
  const total = sets.reduce((sum, { pictures }) => sum + pictures.length, 0)
  if (!stream.isTTY) return showLines(total, stream)
  const format = ' {bar} {value}/{total} images | {set} | {eta_formatted} left'
  const bar = new SingleBar({ stream, format, hideCursor: true, fps: 8, barsize: 30, clearOnComplete: true })
  const said: string[] = []
  bar.start(total, 0, { set: sets[0]!.name })
  return {
    step: set => bar.increment(1, { set: set.name }),
    say: text => void said.push(text),
    stop() {
      bar.stop()
      for (const text of said.splice(0)) stream.write(`${text}\n`)
    },
  }
}

function showLines(total: number, stream: NodeJS.WriteStream): Progress {
  let done = 0
  let last = performance.now()
  return {
    step(set) {
      done++
      if (performance.now() - last < LINE_EVERY) return
      last = performance.now()
      stream.write(`${done}/${total} images (${set.name})\n`)
    },
    say: text => void stream.write(`${text}\n`),
    stop: () => {},
  }
}
