import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { encode as encodePicture } from '../../infer/encode.js'
import { type Engine, type Job, startEngine } from '../../infer/engine.js'
import { tiffOf } from '../infer/pictures.js'
import { deepen, drawGrey, drawPhoto } from '../support/draw.js'
import { encode, form, startServer, type TestServer, upscaled } from './support.js'

let engine: Engine
let server: TestServer
let url: string
let png: Buffer

before(async () => {
  engine = await startEngine({ threads: 2 })
  server = await startServer(engine)
  url = `${server.url}/upscale`
  png = await encode(drawPhoto(48, 32))
})
after(async () => {
  await server?.close()
  await engine?.close()
})

const fromEngine = async (bytes: Uint8Array, job: Partial<Job> = {}) => {
  const result = await engine.upscale({ input: { bytes }, model: server.shelf.standard.folder, format: 'auto', tile: 0, ...job })
  return Buffer.from(result.bytes!)
}

const STAGES = new RegExp(
  `^${['upload', 'queue', 'decode', 'upscale', 'encode', 'total'].map(stage => `${stage};dur=[\\d.]+`).join(', ')}$`,
)

test('a form with an image comes back as the enlarged picture, byte for byte what the engine gives', async () => {
  const { headers, bytes } = await upscaled(url, { body: form(png) })
  assert.deepEqual(bytes, await fromEngine(png))
  const { width, height } = await sharp(bytes).metadata()
  assert.deepEqual({ width, height }, { width: 192, height: 128 })
  assert.equal(headers.get('content-type'), 'image/png')
  assert.equal(headers.get('content-length'), String(bytes.length))
  assert.equal(headers.get('content-disposition'), 'inline; filename="low-4x.png"')
  assert.equal(headers.get('x-uprez-model'), 'fast-x4')
  assert.equal(headers.get('x-uprez-scale'), '4')
  assert.equal(headers.get('x-uprez-width'), '192')
  assert.equal(headers.get('x-uprez-height'), '128')
  assert.match(headers.get('x-uprez-provider')!, /^cpu/i)
  assert.match(headers.get('server-timing')!, STAGES)
})

test('the fields img, image and file mean the same, and so does the image itself as the body', async () => {
  const expected = await fromEngine(png)
  for (const field of ['img', 'image', 'file']) {
    assert.deepEqual((await upscaled(url, { body: form(png, {}, field) })).bytes, expected, field)
  }
  for (const type of ['image/png', 'application/octet-stream']) {
    const { bytes } = await upscaled(url, { body: new Uint8Array(png), headers: { 'Content-Type': type } })
    assert.deepEqual(bytes, expected, type)
  }
})

test('a file of many megabytes comes out as a small one with the same picture does', async () => {
  const long = Buffer.concat([png, Buffer.alloc(9_000_000, 7)])
  const expected = await fromEngine(png)
  assert.deepEqual((await upscaled(url, { body: form(long) })).bytes, expected)
  assert.deepEqual((await upscaled(url, { body: long, headers: { 'Content-Type': 'image/png' } })).bytes, expected)
})

test('options count alike from the form and from the query, and may be said twice if they agree', async () => {
  const expected = await fromEngine(png, { scale: 1.5, format: 'jpg', quality: 70, tile: 64 })
  const all = { scale: '1.5', format: 'jpeg', quality: '70', tile: '64', model: 'fast-x4' }
  const query = new URLSearchParams(all)
  assert.deepEqual((await upscaled(url, { body: form(png, all) })).bytes, expected)
  assert.deepEqual((await upscaled(`${url}?${query}`, { body: form(png) })).bytes, expected)
  const { headers, bytes } = await upscaled(`${url}?${query}`, { body: form(png, { scale: '1.5' }) })
  assert.deepEqual(bytes, expected)
  assert.equal(headers.get('x-uprez-scale'), '1.5')
  assert.equal(headers.get('content-type'), 'image/jpeg')
})

test('a wanted width keeps the proportions', async () => {
  const { headers } = await upscaled(url, { body: form(png, { width: '96' }) })
  assert.equal(headers.get('x-uprez-width'), '96')
  assert.equal(headers.get('x-uprez-height'), '64')
  assert.equal(headers.get('x-uprez-scale'), '2')
})

test('the output format follows the input, unless Accept or the option format says otherwise', async () => {
  const photo = drawPhoto(16, 16)
  const typeOf = async (input: 'png' | 'jpeg' | 'webp' | 'avif' | 'tiff', accept?: string, fields = {}) => {
    const init = { body: form(await encode(photo, input), fields), ...(accept ? { headers: { Accept: accept } } : {}) }
    const { headers, bytes } = await upscaled(url, init)
    const real = (await sharp(bytes).metadata()).format
    const said = headers.get('content-type')
    assert.equal(said, `image/${real === 'heif' ? 'avif' : real}`)
    return said
  }
  assert.equal(await typeOf('png'), 'image/png')
  assert.equal(await typeOf('jpeg'), 'image/jpeg')
  assert.equal(await typeOf('webp', '*/*'), 'image/webp')
  assert.equal(await typeOf('avif', 'image/*'), 'image/png')
  assert.equal(await typeOf('tiff'), 'image/png')
  assert.equal(await typeOf('png', 'image/webp'), 'image/webp')
  assert.equal(await typeOf('jpeg', 'image/png;q=0.5, image/webp;q=0.9'), 'image/webp')
  assert.equal(await typeOf('jpeg', 'image/jpeg;q=0, */*'), 'image/png')
  assert.equal(await typeOf('png', 'image/png, image/avif', {}), 'image/png')
  assert.equal(await typeOf('png', 'image/webp', { format: 'jpg' }), 'image/jpeg')
  assert.equal(await typeOf('png', 'image/webp', { format: 'auto' }), 'image/webp')
})

test('16 bits, the density and the page of a TIFF are asked for by options', async () => {
  const picture = await encodePicture(deepen(drawPhoto(20, 16)), 'tiff', undefined, { density: 100 })
  const factsOf = async (fields: Record<string, string>, file: Uint8Array = picture) => {
    const { headers, bytes } = await upscaled(url, { body: form(file, fields) })
    const { format, depth, density, width } = await sharp(bytes).metadata()
    assert.equal(headers.get('content-type'), `image/${format}`)
    return [format, depth, density, width]
  }
  assert.deepEqual(await factsOf({}), ['png', 'ushort', 100, 80])
  assert.deepEqual(await factsOf({ format: 'tif', dpi: 'scale' }), ['tiff', 'ushort', 400, 80])
  assert.deepEqual(await factsOf({ format: 'tiff', dpi: '72', depth: '8' }), ['tiff', 'uchar', 72, 80])
  const { headers } = await upscaled(url, { body: form(picture), headers: { Accept: 'image/tiff' } })
  assert.equal(headers.get('content-type'), 'image/tiff')
  const pages = tiffOf([drawGrey(20, 16), drawGrey(10, 9)])
  assert.deepEqual(await factsOf({ page: '2', depth: '16' }, pages), ['png', 'ushort', undefined, 40])
})

test('many at once are all answered, each with its own picture', async () => {
  const inputs = await Promise.all(Array.from({ length: 12 }, (_, i) => encode(drawPhoto(20 + i, 20, i))))
  const answers = await Promise.all(inputs.map(input => upscaled(url, { body: form(input) })))
  for (const [i, { bytes }] of answers.entries()) assert.deepEqual(bytes, await fromEngine(inputs[i]!), `picture ${i}`)
})

test('the name of the result follows the name of the upload, in any script', async () => {
  const { headers } = await upscaled(`${url}?scale=2&format=webp`, { body: form(png, {}, 'img', 'Möwe "1".photo.png') })
  assert.equal(headers.get('content-disposition'), `inline; filename="M_we 1.photo-2x.webp"; filename*=UTF-8''M%C3%B6we%201.photo-2x.webp`)
})

test('a request whose engine child is killed in mid-picture is answered all the same', async () => {
  const kills: number[] = []
  const watched: Engine = {
    ...engine,
    upscale: (job, options) =>
      engine.upscale(job, {
        ...options,
        onProgress: () => {
          if (kills.length > 0) return
          kills.push(engine.pid!)
          process.kill(engine.pid!, 'SIGKILL')
        },
      }),
  }
  const fragile = await startServer(watched)
  try {
    const large = await encode(drawPhoto(200, 150))
    const { bytes } = await upscaled(`${fragile.url}/upscale?tile=64`, { body: form(large) })
    assert.equal(kills.length, 1)
    assert.notEqual(engine.pid, kills[0])
    assert.deepEqual(bytes, await fromEngine(large, { tile: 64 }))
  } finally {
    await fragile.close()
  }
})

test('curl -F img=@low.png gets the picture', async t => {
  const curl = promisify(execFile)
  const there = await curl('curl', ['--version']).catch(() => undefined)
  if (!there) return t.skip('curl is not installed')
  const folder = await mkdtemp(join(tmpdir(), 'uprez-'))
  try {
    await writeFile(join(folder, 'low.png'), png)
    await curl('curl', ['-sS', '--fail-with-body', '-F', 'img=@low.png', '-F', 'scale=2', url, '-o', 'high.png'], { cwd: folder })
    assert.deepEqual(await readFile(join(folder, 'high.png')), await fromEngine(png, { scale: 2 }))
    await curl('curl', ['-sS', '--data-binary', '@low.png', '-H', 'content-type: image/png', url, '-o', 'raw.png'], { cwd: folder })
    assert.deepEqual(await readFile(join(folder, 'raw.png')), await fromEngine(png))
    await curl('curl', ['-sSOJ', '-F', 'img=@low.png', url], { cwd: folder })
    assert.deepEqual(await readFile(join(folder, 'low-4x.png')), await fromEngine(png))
  } finally {
    await rm(folder, { recursive: true })
  }
})
