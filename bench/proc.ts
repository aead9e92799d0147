import { readdirSync, readFileSync } from 'node:fs'

/** The most resident memory in MB that a process and its children have had, added up; undefined where there is no /proc. */
export function peakMemory(pid: number): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
    return childrenOf(pid).reduce((sum, child) => sum + (peakMemory(child) ?? 0), Number(kilobytes) / 1000)
  } catch {
    return undefined
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(thread => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  })
}
