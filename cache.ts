import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Folder of everything uprez caches: `UPREZ_CACHE`, else the user's cache folder. It may be removed at any time. */
export function cacheFolder(): string {
  return resolve(process.env.UPREZ_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'uprez'))
}
