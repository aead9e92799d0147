import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Control groups, by which a container or a service is limited: a file of the group that this process is in and of all groups
 * around it, each of which may limit it. In a container its own group is often the only one to be seen.
 */
export interface CgroupPlaces {
  /** Lines hierarchy:controllers:path of this process. */
  membership: string
  /** Where the hierarchies are mounted; version 1 has a folder for each controller there. */
  mount: string
}

const PLACES: CgroupPlaces = { membership: '/proc/self/cgroup', mount: '/sys/fs/cgroup' }

/** @returns the texts of the files that are there; https://docs.kernel.org/admin-guide/cgroup-v2.html */
export function unifiedFiles(name: string, places: CgroupPlaces = PLACES): string[] {
  return files(places, '', path => join(path, name))
}

/** The same for version 1; https://docs.kernel.org/admin-guide/cgroup-v1/cgroups.html */
export function legacyFiles(controller: string, name: string, places: CgroupPlaces = PLACES): string[] {
  return files(places, controller, path => join(controller, path, name))
}

function files({ membership, mount }: CgroupPlaces, controller: string, fileIn: (path: string) => string): string[] {
  const lines = (read(membership) ?? '').split('\n').map(line => line.split(':'))
  const own = lines.find(([, controllers]) => controllers?.split(',').includes(controller))
  return ancestors(own?.slice(2).join(':') ?? '/')
    .map(path => read(join(mount, fileIn(path))))
    .filter(text => text !== undefined)
}

function ancestors(path: string): string[] {
  const above = dirname(path)
  return above === path ? [path] : [path, ...ancestors(above)]
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
