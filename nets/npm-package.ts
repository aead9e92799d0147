import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { execute } from '../execute.js'

/**
 * Fetches a package that is no dependency, since few need it, with npm and its registry, mirror and proxy settings.
 * @param name `name@version`
 * @param sha512 of the packed file, in base64
 * @param failed makes the error of a message
 * @returns the packed file
 */
export async function fetchPackage(name: string, sha512: string, failed: (message: string) => Error): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-npm-'))
  try {
    // npm says where it is to what it starts; by its name alone, Windows could start it from a shell only.
    const own = process.env.npm_execpath
    const [command, ...first] = own?.endsWith('npm-cli.js') ? [process.execPath, own] : ['npm']
    const { code, output } = await execute(command!, [...first, 'pack', name, '--silent', '--pack-destination', folder])
    const [file] = await readdir(folder)
    if (code !== 0 || !file) throw failed(`npm could not download ${name}: ${output.trim().split('\n').slice(-3).join(' ')}`)
    const packed = await readFile(join(folder, file))
    const sum = createHash('sha512').update(packed).digest('base64')
    if (sum !== sha512) throw failed(`${name} is not the package we know: its sha512 is ${sum}, expected ${sha512}`)
    return packed
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * The files of a packed package, by their names, which begin with `package/`. A tar archive has before each a block of 512 bytes:
 * its name at 0, its size in octal at 124, a prefix of the name at 345.
 */
export function unpackPackage(packed: Uint8Array): Map<string, Buffer> {
  const bytes = gunzipSync(packed)
  const files = new Map<string, Buffer>()
  const text = (from: number, length: number) => bytes.toString('utf8', from, from + length).replace(/\0.*$/s, '')
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const name = [text(at + 345, 155), text(at, 100)].filter(part => part !== '').join('/')
    files.set(name, bytes.subarray(at + 512, at + 512 + size))
    at += 512 * (1 + Math.ceil(size / 512))
  }
  return files
}
