import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/**
 * CPUs this process may use: in a container the cgroup's quota, which `os.availableParallelism()` does not see.
 * More threads than that would be throttled in turn.
 */
export function cpusAllowed(): number {
  return Math.max(1, Math.min(availableParallelism(), quota() ?? Infinity))
}

/** CPUs' worth of time the cgroup may use, rounded down; undefined where nothing bounds it. */
function quota(): number | undefined {
  const v2 = read('/sys/fs/cgroup/cpu.max')?.split(' ')
  const [allowed, period] = v2 ?? [read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'), read('/sys/fs/cgroup/cpu/cpu.cfs_period_us')]
  const cpus = Math.floor(Number(allowed) / Number(period))
  // "max" (v2) is NaN, −1 (v1) is negative; half a CPU still is one thread.
  return Number.isNaN(cpus) || Number(allowed) <= 0 ? undefined : Math.max(1, cpus)
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
