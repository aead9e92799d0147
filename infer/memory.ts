import { totalmem } from 'node:os'
import { type CgroupPlaces, legacyFiles, unifiedFiles } from './cgroup.js'

/** Bytes of memory this process may use: the machine's, or what its control group leaves of them. */
export function memoryAllowed(places?: CgroupPlaces): number {
  const limits = [...unifiedFiles('memory.max', places), ...legacyFiles('memory', 'memory.limit_in_bytes', places)]
  // "max" (v2) is no number; v1 says the same by a number beyond any memory.
  return Math.min(totalmem(), ...limits.map(Number).filter(limit => limit > 0))
}

/** With the default limits, the server and its engine need this much at the worst: uploads, pictures, results and sessions. */
const ENOUGH = 4 * 1024 ** 3

/** 0..1: by how much the default limits of what is held in memory shrink on a small machine or in a small container. */
export const memoryShare = (allowed = memoryAllowed()): number => Math.min(1, allowed / ENOUGH)
