import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as playwright } from 'playwright-core'

/** A real browser, and a static host for the built page. */

export const PAGE_FOLDER = fileURLToPath(new URL('../../page/', import.meta.url))

const OPEN = ['--no-sandbox', '--no-zygote']

/** chromium.args themselves switch site isolation off, and with it shared memory. */
export async function openBrowser(graphics: 'none' | 'software webgpu' = 'none'): Promise<Browser> {
  const flags =
    graphics === 'none'
      ? ['--disable-gpu']
      : ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan', '--use-vulkan=swiftshader']
  return playwright.launch({ executablePath: await unpackChromium(), args: [...OPEN, ...flags] })
}

// The package unpacks into the temporary folder and takes a half-written file for a whole one, which test files that start together
// would meet: each unpacks into a folder of its own, and the first one done gives it the common name.
async function unpackChromium(): Promise<string> {
  const shared = join(tmpdir(), 'uprez-test-chromium')
  const file = join(shared, 'chromium')
  if (existsSync(file)) return file
  const before = process.env.TMPDIR
  const own = await mkdtemp(join(tmpdir(), 'uprez-chromium-'))
  process.env.TMPDIR = own
  try {
    await chromium.executablePath()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
  await rename(own, shared).catch(() => rm(own, { recursive: true }))
  return file
}

export interface Host {
  address: string
  close(): Promise<void>
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.wasm': 'application/wasm',
}

/**
 * @param folders where files are, by the beginning of their address; the first that fits is taken
 * @param headers sent with every file
 */
export async function serveFolders(folders: [prefix: string, folder: string][], headers: Record<string, string>): Promise<Host> {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://host').pathname))
    const [prefix, folder] = folders.find(([start]) => path.startsWith(start))!
    const file = join(folder, path.slice(prefix.length), path.endsWith('/') ? 'index.html' : '')
    const bytes = await readFile(file).catch(() => null)
    if (bytes === null) return response.writeHead(404, headers).end()
    return response.writeHead(200, { ...headers, 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(bytes)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `http://localhost:${port}/`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
