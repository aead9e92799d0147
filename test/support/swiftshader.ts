import { readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'
import { execute } from '../../execute.js'

/**
 * Unpacks SwiftShader, a Vulkan driver that computes on the CPU, and Vulkan's loader out of npm's Chromium into a folder.
 * @returns the environment in which a program finds it
 */
export async function unpackSwiftshader(folder: string): Promise<Record<string, string>> {
  const packed = join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../../bin/swiftshader.tar.br')
  // By way of a file: tar closes a pipe at the archive's end mark, before the padding behind it has been written.
  const archive = join(folder, 'swiftshader.tar')
  await writeFile(archive, await promisify(brotliDecompress)(await readFile(packed)))
  const { code, output } = await execute('tar', ['-xf', archive, '-C', folder])
  if (code !== 0) throw new Error(`tar ended with ${code}: ${output}`)
  await rm(archive)
  return { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json') }
}
