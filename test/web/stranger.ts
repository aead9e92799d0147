import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import type { UpscaleOptions, UpscalerOptions } from '../../infer/upscaler.js'

/** An app that somebody else builds with Vite around 'uprez/web', with nothing configured. */
export async function buildStranger(): Promise<{ folder: string; remove(): Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'uprez-stranger-'))
  const entry = fileURLToPath(new URL('../../web/upscaler.js', import.meta.url))
  await writeFile(join(root, 'index.html'), '<!doctype html><title>app</title><script type="module" src="./app.js"></script>')
  await writeFile(join(root, 'app.js'), `import { createUpscaler } from ${JSON.stringify(entry)}\n${APP}`)
  await build({ root, configFile: false, logLevel: 'error' })
  return { folder: join(root, 'dist'), remove: () => rm(root, { recursive: true, force: true }) }
}

/** The app in a tab of its own. @param before script that its worker runs first, to make the browser another one */
export async function openStranger(browser: Browser, address: string, before = ''): Promise<Page> {
  const page = await browser.newPage()
  await page.route(/worker.*\.js$/, async route => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `${before};\n${await response.text()}` })
  })
  await page.goto(address)
  return page
}

const APP = `
const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
const textOf = async blob => btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), byte => String.fromCharCode(byte)).join(''))
const plain = ({ name, code, message, expected, got, param }) => ({ name, code, message, expected, got, param })
const upscalers = new Map()

globalThis.start = options => {
  const key = JSON.stringify(options)
  if (!upscalers.has(key)) upscalers.set(key, createUpscaler(options))
  return upscalers.get(key)
}

globalThis.upscale = async ({ upscaler, picture, type, options }) => {
  try {
    const up = await start(upscaler)
    const { blob, ...result } = await up.upscale(new Blob([bytesOf(picture)], { type }), options)
    return { result: { ...result, type: blob.type, bytes: await textOf(blob) } }
  } catch (error) {
    return { error: plain(error) }
  }
}

globalThis.attempt = async work => {
  try {
    return { value: await work() }
  } catch (error) {
    return { error: plain(error) }
  }
}
`

export interface StrangersResult {
  bytes: Uint8Array
  type: string
  format: string
  width: number
  height: number
  provider: string
  threads: number
  fallback: string | null
}

export interface StrangersError {
  name: string
  code: string
  message: string
  expected?: string
  got?: string
  param?: string
}

/** Runs one picture through the upscaler in the page. Options that our types forbid are for the tests of bad input. */
export async function upscaleIn(
  page: Page,
  picture: Uint8Array,
  options: Omit<UpscaleOptions, 'signal'> | Record<string, unknown> = {},
  upscaler: UpscalerOptions | Record<string, unknown> = {},
): Promise<{ result: StrangersResult; error?: never } | { result?: never; error: StrangersError }> {
  const call = { picture: Buffer.from(picture).toString('base64'), options, upscaler }
  const answer = (await page.evaluate(`upscale(${JSON.stringify(call)})`)) as
    | { result: Omit<StrangersResult, 'bytes'> & { bytes: string } }
    | { error: StrangersError }
  if ('error' in answer) return answer
  return { result: { ...answer.result, bytes: Buffer.from(answer.result.bytes, 'base64') } }
}
