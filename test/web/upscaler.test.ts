import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import { createUpscaler, type Upscaler } from '../../infer/upscaler.js'
import { pixelsOf, png, pngHeader, pngPixels, raw, rgbProfile } from '../infer/pictures.js'
import { heldEngine, startServer } from '../serve/support.js'
import { drawAlpha, drawGrey, drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { type Host, ISOLATED, openBrowser, serveFolders } from './browser.js'
import { buildStranger, openStranger, type StrangersError, type StrangersResult, upscaleIn } from './stranger.js'

const shipped = fileURLToPath(new URL('../../../models/', import.meta.url))

let stranger: Awaited<ReturnType<typeof buildStranger>>
let models: string
let host: Host
let browser: Browser
let page: Page
let library: Upscaler

before(async () => {
  models = await mkdtemp(join(tmpdir(), 'uprez-models-'))
  await writeModel(models, { id: 'small-x2', kind: 'network', scale: 2, precisions: ['int8'] })
  const { dir } = await writeModel(models, { id: 'altered', kind: 'network', scale: 2 })
  for (const file of ['model.onnx', 'model.uint8.onnx']) {
    const bytes = await readFile(join(dir, file))
    bytes[bytes.length - 1]! ^= 1
    await writeFile(join(dir, file), bytes)
  }
  await writeFile(join(models, 'index.json'), JSON.stringify({ models: [{ id: 'small-x2' }, { id: 'altered' }] }))
  stranger = await buildStranger()
  host = await serveFolders(
    [
      ['/models/fast-x4/', join(shipped, 'fast-x4')],
      ['/models/', models],
      ['/', stranger.folder],
    ],
    ISOLATED,
  )
  browser = await openBrowser()
  page = await browser.newPage()
  await page.goto(host.address)
  library = await createUpscaler()
})

after(async () => {
  await browser?.close()
  await host?.close()
  await library?.close()
  await stranger?.remove()
  await rm(models, { recursive: true, force: true })
})

test('an opaque PNG comes out as from the Node library, tile by tile', async t => {
  const picture = await raw(drawPhoto(300, 260)).png().toBuffer()
  const result = await enlarged(picture)
  const expected = await library.upscale(picture)
  const difference = largestDifference(await pixelsOf(result.bytes), await pixelsOf(expected.data))
  t.diagnostic(`largest difference to the Node library: ${difference} of 255`)
  assert.ok(difference <= 1, `differs by ${difference}`)
  assert.deepEqual([result.width, result.height, result.format, result.type], [1200, 1040, 'png', 'image/png'])
  assert.equal(result.provider, 'wasm')
})

test('alpha and the colour under it come out as from the Node library', async () => {
  const picture = await raw(drawAlpha(90, 70)).png().toBuffer()
  const got = await pixelsOf((await enlarged(picture)).bytes)
  assert.equal(got.channels, 4)
  assert.ok(largestDifference(got, await pixelsOf((await library.upscale(picture)).data)) <= 1)
})

test('transparent palette, one transparent colour and grey with alpha are read exactly', async () => {
  const alpha = drawAlpha(60, 40)
  const palette = await raw(alpha).png({ palette: true, colours: 32 }).toBuffer()
  const greyAlpha = await raw(drawGrey(60, 40))
    .joinChannel(await raw(alpha).extractChannel(3).raw().toBuffer(), { raw: { width: 60, height: 40, channels: 1 } })
    .png()
    .toBuffer()
  for (const picture of [palette, greyAlpha]) {
    const got = await pixelsOf((await enlarged(picture)).bytes)
    const expected = await pixelsOf((await library.upscale(picture)).data)
    assert.ok(largestDifference(withAlpha(got), withAlpha(expected)) <= 1)
  }
})

test('a grey PNG stays a grey PNG', async () => {
  const picture = await raw(drawGrey(64, 48)).png().toBuffer()
  const { bytes } = await enlarged(picture)
  assert.equal((await sharp(bytes).metadata()).space, 'b-w')
  assert.ok(largestDifference(await pixelsOf(bytes), await pixelsOf((await library.upscale(picture)).data)) <= 1)
})

test('int8 is computed in wasm as in Node; without such a file, or with WebGPU, it is refused', async () => {
  const picture = await raw(drawPhoto(64, 48)).png().toBuffer()
  const inNode = await createUpscaler({ model: 'small-x2', modelPath: models, precision: 'int8' })
  const expected = await pixelsOf((await inNode.upscale(picture)).data)
  await inNode.close()
  const { result } = await upscaleIn(page, picture, {}, { model: 'small-x2', precision: 'int8' })
  assert.deepEqual([result?.provider, result?.fallback], ['wasm', 'int8 is computed in wasm'])
  assert.ok(largestDifference(await pixelsOf(result!.bytes), expected) <= 2)
  const without = await upscaleIn(page, picture, {}, { model: 'altered', precision: 'fp16' })
  assert.deepEqual([without.error?.code, without.error?.param, without.error?.expected], ['invalid-option', 'precision', 'one of fp32'])
  const gpu = await upscaleIn(page, picture, {}, { model: 'small-x2', precision: 'int8', provider: 'webgpu' })
  assert.deepEqual([gpu.error?.code, gpu.error?.param], ['invalid-option', 'precision'])
})

test('another scale than the model has is reached as in Node', async () => {
  const picture = await raw(drawPhoto(50, 40)).png().toBuffer()
  const result = await enlarged(picture, { scale: 2.5 })
  assert.deepEqual([result.width, result.height], [125, 100])
  assert.ok(largestDifference(await pixelsOf(result.bytes), await pixelsOf((await library.upscale(picture, { scale: 2.5 })).data)) <= 1)
})

test('the orientation of a photograph is applied', async () => {
  const picture = await raw(drawPhoto(48, 32)).withMetadata({ orientation: 6 }).jpeg().toBuffer()
  const result = await enlarged(picture)
  assert.deepEqual([result.width, result.height, result.format], [128, 192, 'jpg'])
})

test('a PNG is turned as its orientation says, all eight ways, with alpha and without', async () => {
  for (const drawn of [drawAlpha(24, 16), drawPhoto(24, 16)]) {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const picture = await raw(drawn).withMetadata({ orientation }).png().toBuffer()
      const got = await pixelsOf((await enlarged(picture)).bytes)
      const expected = await pixelsOf((await library.upscale(picture)).data)
      assert.ok(largestDifference(got, expected) <= 1, `${drawn.channels} channels, orientation ${orientation}`)
    }
  }
})

test('an RGB profile goes along and the pixels stay in it', async () => {
  const picture = await raw(drawPhoto(40, 30)).png().withIccProfile('p3').toBuffer()
  const expected = await pixelsOf((await library.upscale(picture)).data)
  for (const format of ['png', 'jpg', 'webp']) {
    const { bytes } = await enlarged(picture, { format })
    const { icc } = await sharp(bytes).metadata()
    assert.ok(icc?.equals(await rgbProfile()), `${format}: ${icc?.length} bytes`)
    if (format === 'png') assert.ok(largestDifference(await pixelsOf(bytes), expected) <= 1)
    if (format === 'jpg') assert.equal(Buffer.from(bytes).toString('latin1', 0, 10), '\xff\xd8\xff\xe0\0\x10JFIF')
  }
})

test('a browser that converts colours unasked gives sRGB and no profile; what our own decoder reads keeps it', async () => {
  const page = await openStranger(
    browser,
    host.address,
    `const real = createImageBitmap
    globalThis.createImageBitmap = (source, { colorSpaceConversion, ...options }) => real(source, options)`,
  )
  const picture = await raw(drawPhoto(40, 30)).png().withIccProfile('p3').toBuffer()
  const expected = await pixelsOf((await library.upscale(await sharp(picture).png().toBuffer())).data)
  for (const format of ['png', 'jpg', 'webp']) {
    const { bytes } = await enlarged(picture, { format }, {}, page)
    const { icc } = await sharp(bytes).metadata()
    assert.ok(!icc?.equals(await rgbProfile()), format)
    if (format === 'png') assert.ok(largestDifference(await pixelsOf(bytes), expected) <= 4)
  }
  const withAlpha = await raw(drawAlpha(40, 30)).png().withIccProfile('p3').toBuffer()
  assert.ok((await sharp((await enlarged(withAlpha, {}, {}, page)).bytes).metadata()).icc?.equals(await rgbProfile()))
  await page.close()
})

test('a browser that cannot write WebP gives PNG for WebP, and refuses it where it is asked for, before it looks at the picture', async () => {
  const page = await openStranger(
    browser,
    host.address,
    `const real = OffscreenCanvas.prototype.convertToBlob
    OffscreenCanvas.prototype.convertToBlob = function ({ type, quality }) {
      return real.call(this, { type: type === 'image/webp' ? 'image/png' : type, quality })
    }`,
  )
  const picture = await raw(drawPhoto(40, 30)).webp().toBuffer()
  const { format, type } = await enlarged(picture, {}, {}, page)
  assert.deepEqual([format, type], ['png', 'image/png'])
  const { error } = await upscaleIn(page, Buffer.from('no picture'), { format: 'webp' })
  assert.deepEqual([error?.code, error?.param, error?.got], ['unsupported-format', 'format', 'webp'])
  await page.close()
})

test('an AVIF is known by its compatible brands too', async () => {
  const picture = await raw(drawPhoto(40, 30)).avif().toBuffer()
  assert.equal(picture.toString('latin1', 4, 12), 'ftypavif')
  picture.write('mif1', 8, 'latin1')
  assert.equal((await enlarged(picture)).width, 160)
})

test('a strict Content-Security-Policy, as uprez serve sends it, is not violated', async t => {
  const server = await startServer(heldEngine())
  const policy = (await fetch(server.url)).headers.get('content-security-policy')!
  await server.close()
  const strict = await serveFolders(
    [
      ['/models/', models],
      ['/', stranger.folder],
    ],
    { ...ISOLATED, 'Content-Security-Policy': policy },
  )
  t.after(strict.close)
  const listen = `globalThis.violations = []
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => violations.push([violatedDirective, blockedURI]))`
  const page = await openStranger(browser, strict.address, listen)
  await enlarged(await raw(drawPhoto(20, 20)).png().toBuffer(), {}, { model: 'small-x2' }, page)
  const workers = page.workers().filter(worker => worker.url().startsWith(`${strict.address}assets/worker`))
  assert.deepEqual(await Promise.all(workers.map(worker => worker.evaluate('violations'))), [[]])
  await page.close()
})

test('bad pictures are refused with the same codes as everywhere', async () => {
  const photo = raw(drawPhoto(64, 64))
  const [whole, jpeg] = [await photo.clone().png().toBuffer(), await photo.clone().jpeg().toBuffer()]
  const flat = { create: { width: 8, height: 8, channels: 3, background: 'red' } } as const
  const cases: [string, Uint8Array][] = [
    ['empty-image', new Uint8Array(0)],
    ['not-an-image', Buffer.from('Dear diary, today I wrote no image.')],
    ['not-an-image', Buffer.from([0x89])],
    ['unsupported-format', Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['unsupported-format', await sharp(flat).gif().toBuffer()],
    ['unsupported-format', await sharp(flat).tiff().toBuffer()],
    ['unsupported-format', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')],
    ['animated-image', Buffer.from('\0\0\0\x18ftypavis\0\0\0\0avifavis', 'latin1')],
    ['broken-image', whole.subarray(0, whole.length / 2)],
    ['broken-image', whole.subarray(0, 20)],
    ['broken-image', jpeg.subarray(0, jpeg.length / 2)],
    ['broken-image', (await raw(drawAlpha(64, 64)).png().toBuffer()).subarray(0, 3000)],
    [
      'too-many-pixels',
      png([
        ['IHDR', pngHeader(16000, 16000)],
        ['IDAT', pngPixels(10, 10)],
      ]),
    ],
    [
      'animated-image',
      await sharp(Buffer.concat([await photo.clone().raw().toBuffer(), Buffer.alloc(64 * 64 * 3)]), {
        raw: { width: 64, height: 128, channels: 3, pageHeight: 64 },
      })
        .webp()
        .toBuffer(),
    ],
  ]
  for (const [code, picture] of cases) {
    const { error } = await upscaleIn(page, picture, {}, { model: 'small-x2' })
    assert.equal(error?.code, code, `${code}: ${JSON.stringify(error)}`)
    assert.equal(error?.name, 'UprezError')
  }
})

test('wrong options name the nearest right one', async () => {
  const picture = await raw(drawPhoto(16, 16)).png().toBuffer()
  const unknown = await upscaleIn(page, picture, { scal: 2 })
  assert.equal(unknown.error?.code, 'unknown-option')
  assert.match(unknown.error.message, /Did you mean 'scale'\?/)
  const format = await upscaleIn(page, picture, { format: 'jpeg' })
  assert.equal(format.error?.code, 'invalid-option')
  assert.match(format.error.message, /Did you mean 'jpg'\?/)
  for (const options of [{ scale: -1 }, { quality: 101 }, { tile: 1.5 }, { onProgress: 'loud' }, { signal: {} }, { scale: 2, width: 10 }]) {
    const { error } = await upscaleIn(page, picture, options)
    assert.deepEqual([error?.code, error?.param], ['invalid-option', Object.keys(options)[0]])
  }
  assert.deepEqual(await refused(`(await start({ model: 'small-x2' })).upscale(new ImageData(4, 4), null)`), ['invalid-option', 'options'])
  assert.equal((await upscaleIn(page, picture, {}, { provder: 'wasm' })).error?.code, 'unknown-option')
})

test('an unknown model names the nearest, an altered file shows both hashes, a missing adapter is said', async () => {
  const picture = await raw(drawPhoto(16, 16)).png().toBuffer()
  const unknown = await upscaleIn(page, picture, {}, { model: 'smal-x2' })
  assert.equal(unknown.error?.code, 'unknown-model')
  assert.match(unknown.error.message, /Did you mean 'small-x2'\?/)
  const altered = await upscaleIn(page, picture, {}, { model: 'altered' })
  assert.equal(altered.error?.code, 'model-mismatch')
  assert.match(altered.error.expected ?? '', /^[0-9a-f]{64}$/)
  assert.notEqual(altered.error.expected, altered.error.got)
  assert.equal((await upscaleIn(page, picture, {}, { provider: 'webgpu' })).error?.code, 'provider-unavailable')
})

test('a cancelled picture rejects at once and leaves the upscaler usable', async () => {
  const picture = await raw(drawPhoto(500, 400)).png().toBuffer()
  const outcome = await page.evaluate(`attempt(async () => {
    const up = await start({})
    const control = new AbortController()
    const picture = new Blob([Uint8Array.from(atob('${picture.toString('base64')}'), letter => letter.charCodeAt(0))])
    globalThis.seen = []
    return up.upscale(picture, { tile: 64, signal: control.signal, onProgress: ({ done, total }) => {
      seen.push([done, total])
      if (done === 2) control.abort()
    } })
  })`)
  assert.equal((outcome as { error?: { code: string } }).error?.code, 'aborted')
  await enlarged(await raw(drawPhoto(20, 20)).png().toBuffer())
  const seen = (await page.evaluate('seen')) as [number, number][]
  assert.ok(seen.length >= 3 && seen.length < seen[0]![1], 'the tiles after the cancel were not computed')
})

test('closing ends the worker and what runs in it', async () => {
  const other = await browser.newPage()
  await other.goto(host.address)
  await other.evaluate(`start({ model: 'small-x2' }).then(() => {})`)
  const ended = Promise.all(other.workers().map(worker => worker.waitForEvent('close')))
  const outcome = await other.evaluate(`attempt(async () => {
    const up = await start({ model: 'small-x2' })
    const work = up.upscale(new ImageData(400, 400))
    await up.close()
    return work
  })`)
  assert.equal((outcome as { error?: { code: string } }).error?.code, 'aborted')
  await ended
  await other.close()
})

test('pixels are taken as well as files', async () => {
  const outcome = (await page.evaluate(`attempt(async () => {
    const up = await start({ model: 'small-x2' })
    const pixels = new ImageData(30, 20)
    pixels.data.fill(255)
    const bitmap = await createImageBitmap(pixels)
    const results = [await up.upscale(pixels), await up.upscale(bitmap), await up.upscale(new URL('/nothing.png', location.href)).catch(error => error.code)]
    return [bitmap.width, ...results.map(result => result.width ?? result)]
  })`)) as { value: unknown }
  assert.deepEqual(outcome.value, [30, 60, 60, 'no-input'])
})

test('what cannot be read or handed over is refused with a code, and the upscaler goes on', async t => {
  const half = createServer((_, response) => {
    response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Length': 1000 })
    response.write('half', () => response.destroy())
  })
  await new Promise<void>(resolve => half.listen(0, '127.0.0.1', resolve))
  t.after(() => half.close())
  const upscale = (input: string) => refused(`(await start({ model: 'small-x2' })).upscale(${input})`)
  assert.deepEqual(await upscale(`'http://127.0.0.1:${(half.address() as AddressInfo).port}/'`), ['no-input', 'input'])
  assert.deepEqual(await upscale(`'http://'`), ['invalid-option', 'input'])
  assert.deepEqual(await upscale('17'), ['invalid-option', 'input'])
  const closed = `await createImageBitmap(new ImageData(4, 4)).then(bitmap => (bitmap.close(), bitmap))`
  assert.deepEqual(await upscale(closed), ['invalid-option', 'input'])
  await enlarged(await raw(drawPhoto(20, 20)).png().toBuffer(), {}, { model: 'small-x2' })
})

/** Code and parameter of the error that this piece of script in the page ends with. */
async function refused(script: string): Promise<[code: string, param: string | undefined]> {
  const { error } = (await page.evaluate(`attempt(async () => ${script})`)) as { error?: StrangersError }
  assert.equal(error?.name, 'UprezError', JSON.stringify(error))
  return [error.code, error.param]
}

async function enlarged(picture: Uint8Array, options = {}, upscaler = {}, where = page): Promise<StrangersResult> {
  const { result, error } = await upscaleIn(where, picture, options, upscaler)
  assert.ok(result, JSON.stringify(error))
  return result
}

function largestDifference(a: Image, b: Image): number {
  assert.deepEqual([a.width, a.height, a.channels], [b.width, b.height, b.channels])
  return a.data.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b.data[i]!)), 0)
}

/** sharp hands palettes and grey pictures out in several shapes. */
function withAlpha({ data, width, height, channels }: Image): Image {
  const [g, b] = channels >= 3 ? [1, 2] : [0, 0]
  const alpha = channels === 2 || channels === 4
  const out = new Uint8Array(width * height * 4)
  for (let p = 0; p < width * height; p++) {
    const at = p * channels
    out.set([data[at]!, data[at + g]!, data[at + b]!, alpha ? data[at + channels - 1]! : 255], p * 4)
  }
  return { data: out, width, height, channels: 4 }
}
