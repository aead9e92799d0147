import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** What Linux tells about processes under /proc. */

/** Resident memory in bytes; undefined where the process is gone. */
export const memoryOf = (pid: number): number | undefined => statusOf(pid, 'VmRSS')

/** The most that it ever was. */
export const peakMemoryOf = (pid: number): number | undefined => statusOf(pid, 'VmHWM')

function statusOf(pid: number, what: 'VmRSS' | 'VmHWM'): number | undefined {
  const kilobytes = new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(read(pid, 'status'))?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

export function childrenOf(parent: number): number[] {
  const all = readdirSync('/proc').map(Number).filter(Number.isInteger)
  // https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: "pid (name) state parent …", and a name may hold anything.
  return all.filter(pid => Number(/.*\) \S (\d+)/s.exec(read(pid, 'stat'))?.[1]) === parent)
}

/** A zombie is gone: only its parent has not asked yet. */
export const isAlive = (pid: number): boolean => /.*\) [^ZX] /s.test(read(pid, 'stat'))

/** Those that are still there after `patienceMs`. */
export async function survivors(pids: Iterable<number>, patienceMs: number): Promise<number[]> {
  const end = performance.now() + patienceMs
  for (;;) {
    const alive = [...pids].filter(isAlive)
    if (alive.length === 0 || performance.now() > end) return alive
    await delay(100)
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
