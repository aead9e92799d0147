import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { libraryPath } from '../wheels.js'
import type { ChildSettings } from './protocol.js'

/** Starts the engine's child; it says `ready`, or `unable` and why, before anything else. */
export function forkChild(settings: ChildSettings): ChildProcess {
  return fork(fileURLToPath(new URL('./child.js', import.meta.url)), [JSON.stringify(settings)], {
    serialization: 'advanced',
    // Debugger and loader flags of this process are not for the child, which lets go of large pictures at a time of its own.
    execArgv: ['--expose-gc'],
    env: {
      // glibc gives every thread its own heap, and sharp's big buffers would stay in each of them.
      MALLOC_ARENA_MAX: '2',
      // sharp decodes and encodes in libuv's threads, one picture each; headers and files need one each as well.
      UV_THREADPOOL_SIZE: String(settings.threads + 4),
      ...process.env,
      ...libraryPath(settings.execution.runtime?.libraries ?? []),
    },
    // Standard output belongs to the command (`--json`).
    stdio: ['ignore', 2, 2, 'ipc'],
    windowsHide: true,
  })
}

/** Whether a child keeps this process from ending by itself. */
export function holdsProcess(child: ChildProcess, holds: boolean): void {
  // `channel` has ref and unref since Node 7.1; the types forgot them.
  const channel = child.channel as { ref(): void; unref(): void } | null | undefined
  if (holds) {
    child.ref()
    channel?.ref()
  } else {
    child.unref()
    channel?.unref()
  }
}
