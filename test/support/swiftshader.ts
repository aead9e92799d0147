import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress } from 'node:zlib'

/**
 * Unpacks SwiftShader, a Vulkan driver that computes on the CPU, and Vulkan's loader out of npm's Chromium into a folder.
 * @returns the environment in which a program finds it
 */
export async function unpackSwiftshader(folder: string): Promise<Record<string, string>> {
  const archive = join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../../bin/swiftshader.tar.br')
  const tar = spawn('tar', ['-x', '-C', folder], { stdio: ['pipe', 'inherit', 'inherit'] })
  const closed = once(tar, 'close')
  await pipeline(createReadStream(archive), createBrotliDecompress(), tar.stdin)
  const [code] = await closed
  if (code !== 0) throw new Error(`tar ended with ${code}`)
  return { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json') }
}
