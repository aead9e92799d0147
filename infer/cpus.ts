import { availableParallelism } from 'node:os'
import { type CgroupPlaces, legacyFiles, unifiedFiles } from './cgroup.js'

/**
 * CPUs this process may use: in a container the cgroup's quota, which `os.availableParallelism()` does not see.
 * More threads than that would be throttled in turn.
 */
export function cpusAllowed(places?: CgroupPlaces): number {
  return Math.max(1, Math.min(availableParallelism(), ...quotas(places)))
}

/** CPUs' worth of time that each group may use, rounded down. */
function quotas(places: CgroupPlaces | undefined): number[] {
  const v2 = unifiedFiles('cpu.max', places).map(text => text.split(' '))
  const periods = legacyFiles('cpu', 'cpu.cfs_period_us', places)
  const v1 = legacyFiles('cpu', 'cpu.cfs_quota_us', places).map((quota, i) => [quota, periods[i]])
  // "max" (v2) is NaN, −1 (v1) is negative; half a CPU still is one thread.
  return [...v2, ...v1].map(([quota, period]) => Math.floor(Number(quota) / Number(period))).filter(cpus => cpus >= 0)
}
