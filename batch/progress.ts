import { MultiBar } from 'cli-progress'
import type { JobResult } from '../infer/engine.js'
import type { Task } from './plan.js'
import type { Watcher } from './run.js'

/** Shows a run on stderr until `stop`. */
export interface Progress extends Watcher {
  /** A line of text without disturbing the bar. */
  say(text: string): void
  stop(): void
}

/** A bar that moves with the tiles on a terminal; elsewhere a line for every picture, and now and then one in between. */
export function showProgress(tasks: readonly Task[], stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? showBar(tasks, stream) : showLines(tasks, stream)
}

function showBar(tasks: readonly Task[], stream: NodeJS.WriteStream): Progress {
  const state = measure(tasks)
  const format = ' {bar} {percentage}% | {files}/{count} pictures | {rate} | {left} left'
  const bars = new MultiBar({ stream, format, hideCursor: true, fps: 8, barsize: 30, clearOnComplete: false, emptyOnZero: true })
  const bar = bars.create(state.pixels, 0, payload())
  return {
    progress(task, fraction) {
      state.progress(task, fraction)
      bar.update(state.pixelsDone(), payload())
    },
    done(task) {
      state.finish(task)
      bar.update(state.pixelsDone(), payload())
    },
    failed(task, error) {
      state.finish(task)
      bars.log(`${task.source.path}: ${error.code}: ${error.message}\n`)
      bar.update(state.pixelsDone(), payload())
    },
    say: text => bars.log(`${text}\n`),
    stop() {
      // What was said since the last redraw is still held back, and `stop` alone would drop it.
      bars.update()
      bars.stop()
    },
  }

  function payload() {
    return { files: state.files(), count: tasks.length, rate: state.rate(), left: state.left() }
  }
}

/** Milliseconds between two lines of a picture that takes long. */
const LINE_EVERY = 10_000

function showLines(tasks: readonly Task[], stream: NodeJS.WriteStream): Progress {
  const state = measure(tasks)
  let last = performance.now()
  const say = (text: string) => {
    last = performance.now()
    stream.write(`${text}\n`)
  }
  return {
    progress(task, fraction) {
      state.progress(task, fraction)
      if (performance.now() - last < LINE_EVERY) return
      say(`${Math.floor((100 * state.pixelsDone()) / state.pixels)}% (${state.files()}/${tasks.length} pictures), ${state.left()} left`)
    },
    done(task, { width, height, milliseconds }: JobResult) {
      state.finish(task)
      say(`[${state.files()}/${tasks.length}] ${task.output} ${width}×${height} ${(milliseconds / 1000).toFixed(1)} s`)
    },
    failed(task, error) {
      state.finish(task)
      say(`[${state.files()}/${tasks.length}] ${task.source.path}: ${error.code}: ${error.message}`)
    },
    say,
    stop: () => {},
  }
}

/** What is done, in input pixels: pictures differ in size by orders of magnitude. */
function measure(tasks: readonly Task[]) {
  const start = performance.now()
  const pixelsOf = ({ entry: { header } }: Task) => header.width * header.height
  const pixels = tasks.reduce((sum, task) => sum + pixelsOf(task), 0)
  const underway = new Map<Task, number>()
  let finished = 0
  let files = 0
  const pixelsDone = () => [...underway.values()].reduce((sum, value) => sum + value, finished)
  const seconds = () => (performance.now() - start) / 1000
  return {
    pixels,
    pixelsDone,
    files: () => files,
    progress: (task: Task, fraction: number) => void underway.set(task, fraction * pixelsOf(task)),
    finish(task: Task) {
      underway.delete(task)
      finished += pixelsOf(task)
      files++
    },
    rate: () => `${(files / Math.max(seconds(), 1e-3)).toFixed(1)}/s`,
    left: () => (pixelsDone() === 0 ? '…' : inTime((seconds() * (pixels - pixelsDone())) / pixelsDone())),
  }
}

/** 75 → "1 min 15 s" */
export function inTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
