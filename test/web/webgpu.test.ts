import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { pixelsOf, raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { type Host, ISOLATED, openBrowser, serveFolders } from './browser.js'
import { buildStranger, openStranger, type StrangersResult, upscaleIn } from './stranger.js'

/** WebGPU drawn in software (SwiftShader): slow, but the real thing. */

let stranger: Awaited<ReturnType<typeof buildStranger>>
let models: string
let host: Host
let browser: Browser

before(async () => {
  models = await mkdtemp(join(tmpdir(), 'uprez-models-'))
  await writeModel(models, { id: 'small-x2', kind: 'network', scale: 2 })
  stranger = await buildStranger()
  host = await serveFolders(
    [
      ['/models/', models],
      ['/', stranger.folder],
    ],
    ISOLATED,
  )
  browser = await openBrowser('software webgpu')
})

after(async () => {
  await browser?.close()
  await host?.close()
  await stranger?.remove()
  await rm(models, { recursive: true, force: true })
})

test('WebGPU computes what wasm computes, and auto leaves a software adapter alone', async () => {
  const page = await openStranger(browser, host.address)
  const gpu = await enlarge(page, 'webgpu')
  const auto = await enlarge(page, 'auto')
  assert.deepEqual([gpu.provider, gpu.fallback], ['webgpu', null])
  assert.equal(auto.provider, 'wasm')
  assert.match(auto.fallback ?? '', /software adapter/)
  const [a, b] = [await pixelsOf(gpu.bytes), await pixelsOf(auto.bytes)]
  assert.ok(a.data.every((value, i) => Math.abs(value - b.data[i]!) <= 1))
  await page.close()
})

test('a graphics device lost in mid-work costs no picture: wasm goes on and the result says so', async () => {
  const page = await openStranger(browser, host.address, LOST_IN_MID_WORK)
  const { provider, fallback, width } = await enlarge(page, 'auto')
  assert.deepEqual([provider, width], ['wasm', 96])
  assert.match(fallback ?? '', /failed while working: .*lost/)
  await page.close()
})

test('where wasm could not be fetched when the device was lost, the next picture tries again', async () => {
  const page = await openStranger(browser, host.address, LOST_IN_MID_WORK)
  await page.route('**/model.uint8.onnx', route => route.abort(), { times: 1 })
  assert.equal((await attempt(page, 'auto')).error?.code, 'unknown-model')
  assert.equal((await enlarge(page, 'auto')).provider, 'wasm')
  await page.close()
})

/** The adapter claims to be a real one, and its device goes with the first picture. */
const LOST_IN_MID_WORK = `
  Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false })
  const real = GPUAdapter.prototype.requestDevice
  GPUAdapter.prototype.requestDevice = async function (...wishes) {
    const device = await real.apply(this, wishes)
    addEventListener('message', ({ data }) => data.type === 'upscale' && device.destroy())
    return device
  }`

async function enlarge(page: Page, provider: string): Promise<StrangersResult> {
  const { result, error } = await attempt(page, provider)
  assert.ok(result, JSON.stringify(error))
  return result
}

async function attempt(page: Page, provider: string) {
  return upscaleIn(page, await raw(drawPhoto(48, 40)).png().toBuffer(), { tile: 32 }, { model: 'small-x2', provider })
}
