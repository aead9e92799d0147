import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { ERROR_TABLE, type ErrorCode } from '../../errors.js'
import { type Engine, startEngine } from '../../infer/engine.js'
import { drawFlat, drawPhoto } from '../support/draw.js'
import { encode, form, problemOf, startServer, type TestServer, upscaled } from './support.js'

let engine: Engine
let server: TestServer
let png: Buffer

before(async () => {
  engine = await startEngine({ threads: 1 })
  server = await startServer(engine, { maxUploadBytes: 1_000_000 })
  png = await encode(drawPhoto(16, 12))
})
after(async () => {
  await server?.close()
  await engine?.close()
})

interface Refusal {
  query?: string
  init: () => RequestInit | Promise<RequestInit>
  code: ErrorCode
  param?: string
  says?: RegExp
}

const posted = (bytes: Uint8Array | Promise<Uint8Array>, name?: string) => async () => ({ body: form(await bytes, {}, 'img', name) })
const asked = (fields: Record<string, string>) => () => ({ body: form(png, fields) })

const REFUSALS: Record<string, Refusal> = {
  'text that is called a picture': { init: posted(Buffer.from('hello there')), code: 'not-an-image' },
  'an SVG': {
    init: posted(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')),
    code: 'unsupported-format',
    says: /SVG/,
  },
  'a GIF': {
    init: posted(
      sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
        .gif()
        .toBuffer(),
    ),
    code: 'unsupported-format',
  },
  'an animation': { init: posted(animation()), code: 'animated-image' },
  'a truncated PNG': { init: async () => ({ body: form((await encode(drawPhoto(64, 64))).subarray(0, 3000)) }), code: 'broken-image' },
  'a truncated JPEG': {
    init: async () => ({ body: form((await encode(drawPhoto(64, 64), 'jpeg')).subarray(0, 900)) }),
    code: 'broken-image',
  },
  'a PNG of its first bytes alone': { init: () => ({ body: form(png.subarray(0, 20)) }), code: 'broken-image' },
  'a header that speaks of 30000×30000 pixels': { init: posted(pngHeader(30_000, 30_000)), code: 'too-many-pixels', says: /30000/ },
  'a header that speaks of 2³¹−1 pixels a side': { init: posted(pngHeader(2 ** 31 - 1, 2 ** 31 - 1)), code: 'broken-image' },
  'a result too wide for its format': {
    init: async () => ({ body: form(await encode(drawFlat(5000, 2, [9, 9, 9])), { format: 'webp' }) }),
    code: 'output-too-large',
    says: /16383/,
  },
  'zero bytes': { init: posted(new Uint8Array()), code: 'empty-image', param: 'img' },
  'zero bytes as the body': { init: () => ({ body: '', headers: { 'Content-Type': 'image/png' } }), code: 'empty-image' },
  'no body': { init: () => ({}), code: 'missing-image', param: 'img' },
  'a form without fields': { init: () => ({ body: form(undefined) }), code: 'missing-image', param: 'img' },
  'a form without a file': { init: () => ({ body: form(undefined, { scale: '2' }) }), code: 'missing-image', says: /scale/ },
  'a path instead of a file (-F img=low.png)': {
    init: () => ({ body: form(undefined, { img: 'low.png' }) }),
    code: 'missing-image',
    says: /@/,
  },
  'a file in an unknown field': {
    init: () => ({ body: form(png, {}, 'imgg') }),
    code: 'unknown-option',
    param: 'imgg',
    says: /Did you mean img\?/,
  },
  'two images': {
    init: () => {
      const data = form(png)
      data.append('file', new Blob([new Uint8Array(png)]), 'other.png')
      return { body: data }
    },
    code: 'several-images',
    param: 'file',
    says: /other\.png/,
  },
  'twelve images': {
    init: () => {
      const data = new FormData()
      for (let i = 0; i < 12; i++) data.append('img', new Blob([new Uint8Array(png)]), `${i}.png`)
      return { body: data }
    },
    code: 'several-images',
  },
  'an upload beyond the limit': { init: posted(Buffer.alloc(1_000_001)), code: 'upload-too-large', says: /UPREZ_MAX_UPLOAD_BYTES/ },
  'a chunked upload beyond the limit': {
    init: () =>
      ({ body: new Blob([Buffer.alloc(1_500_000)]).stream(), duplex: 'half', headers: { 'Content-Type': 'image/png' } }) as RequestInit,
    code: 'upload-too-large',
  },
  'an unknown option': { init: asked({ sclae: '2' }), code: 'unknown-option', param: 'sclae', says: /Did you mean scale\?/ },
  'an unknown option in the query': {
    query: '?fromat=png',
    init: asked({}),
    code: 'unknown-option',
    param: 'fromat',
    says: /Did you mean format\?/,
  },
  'an option named as an object': { init: asked({ 'scale[x]': '2' }), code: 'unknown-option', param: 'scale[x]' },
  'an option named __proto__': { init: asked({ __proto__x: '2', ['__proto__']: 'x' }), code: 'unknown-option' },
  'a name as long as a page': { init: asked({ ['s'.repeat(5000)]: '2' }), code: 'broken-multipart' },
  'a value as long as a page': { init: asked({ scale: '2'.repeat(5000) }), code: 'invalid-option', param: 'scale' },
  'too many fields': { init: asked(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, '1']))), code: 'broken-multipart' },
  'an unknown model': { init: asked({ model: 'fast-x5' }), code: 'unknown-model', param: 'model', says: /Did you mean fast-x4\?/ },
  'an unknown model in the query': { query: '?model=fats-x4', init: asked({}), code: 'unknown-model', param: 'model' },
  'a model by its path': { init: asked({ model: '../../etc' }), code: 'invalid-option', param: 'model' },
  'an unknown format': { init: asked({ format: 'bmp' }), code: 'invalid-option', param: 'format', says: /png, jpg, webp, avif/ },
  'a scale of nothing': { init: asked({ scale: '' }), code: 'invalid-option', param: 'scale', says: /received nothing/ },
  'a scale of zero': { init: asked({ scale: '0' }), code: 'invalid-option', param: 'scale' },
  'a negative scale': { init: asked({ scale: '-2' }), code: 'invalid-option', param: 'scale' },
  'a hexadecimal scale': { init: asked({ scale: '0x2' }), code: 'invalid-option', param: 'scale' },
  'an endless scale': { init: asked({ scale: 'Infinity' }), code: 'invalid-option', param: 'scale' },
  'a quality of 101': { init: asked({ quality: '101' }), code: 'invalid-option', param: 'quality', says: /1 to 100/ },
  'a depth of 12': { init: asked({ depth: '12' }), code: 'invalid-option', param: 'depth', says: /auto, 8 or 16/ },
  '16 bits as JPEG': { init: asked({ depth: '16', format: 'jpg' }), code: 'invalid-option', param: 'depth', says: /png and tiff hold 16/ },
  'a density of 0': { init: asked({ dpi: '0' }), code: 'invalid-option', param: 'dpi', says: /keep, scale or a whole number/ },
  'a page of a PNG': { init: asked({ page: '2' }), code: 'invalid-option', param: 'page', says: /the only page/ },
  'half a tile': { init: asked({ tile: '12.5' }), code: 'invalid-option', param: 'tile' },
  'a scale and a width': { init: asked({ scale: '2', width: '99' }), code: 'invalid-option', param: 'scale' },
  'two scales in the form': {
    init: () => {
      const data = form(png, { scale: '2' })
      data.append('scale', '3')
      return { body: data }
    },
    code: 'invalid-option',
    param: 'scale',
    says: /2 and 3/,
  },
  'two scales in the query': { query: '?scale=2&scale=3', init: asked({}), code: 'invalid-option', param: 'scale' },
  'one scale in the query and another in the form': {
    query: '?scale=2',
    init: asked({ scale: '3' }),
    code: 'invalid-option',
    param: 'scale',
  },
  'an Accept that no picture satisfies': {
    init: () => ({ body: form(png), headers: { Accept: 'text/html' } }),
    code: 'not-acceptable',
    param: 'Accept',
  },
  'a form of the other kind': {
    init: () => ({ body: new URLSearchParams({ img: 'low.png' }) }),
    code: 'unsupported-media-type',
    says: /curl -F/,
  },
  JSON: { init: () => ({ body: '{}', headers: { 'Content-Type': 'application/json' } }), code: 'unsupported-media-type' },
  'a body without a type': { init: () => ({ body: new Uint8Array(png) }), code: 'unsupported-media-type' },
  'a compressed body': {
    init: () => ({ body: form(png), headers: { 'Content-Encoding': 'gzip' } }),
    code: 'unsupported-media-type',
    param: 'Content-Encoding',
  },
  'a form without a boundary': {
    init: () => ({ body: 'x', headers: { 'Content-Type': 'multipart/form-data' } }),
    code: 'broken-multipart',
  },
  'a form whose boundary has no value': {
    init: () => ({ body: 'x', headers: { 'Content-Type': 'multipart/form-data; boundary' } }),
    code: 'broken-multipart',
  },
  'a form that breaks off': {
    init: () => ({ body: '--B\r\nContent-Disposition: form-data; name="img"; filename="a.png"\r\n\r\nabc', headers: multipart }),
    code: 'broken-multipart',
  },
  'a form with a malformed part header': {
    init: () => ({ body: '--B\r\nContent-Dispo\x01sition form-data\r\n\r\nabc\r\n--B--\r\n', headers: multipart }),
    code: 'broken-multipart',
  },
  'a form part without a name': {
    init: () => ({ body: '--B\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--B--\r\n', headers: multipart }),
    code: 'broken-multipart',
  },
  'a form that is none': { init: () => ({ body: 'no form at all', headers: multipart }), code: 'broken-multipart' },
}

const multipart = { 'Content-Type': 'multipart/form-data; boundary=B' }

describe('POST /upscale refuses', () => {
  for (const [what, { query = '', init, code, param, says }] of Object.entries(REFUSALS)) {
    test(`${what}: ${code}`, async () => {
      const problem = await problemOf(await fetch(`${server.url}/upscale${query}`, { method: 'POST', ...(await init()) }))
      assert.equal(problem.code, code, problem.detail)
      assert.equal(problem.status, ERROR_TABLE[code].status)
      assert.equal(problem.title, ERROR_TABLE[code].title)
      assert.equal(problem.type, `urn:uprez:problem:${code}`)
      if (param !== undefined) assert.equal(problem.param, param)
      if (says !== undefined) assert.match(problem.detail, says)
    })
  }
})

test('a file input left empty beside the image is no second image', async () => {
  const empty = 'Content-Disposition: form-data; name="file"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n'
  const full = 'Content-Disposition: form-data; name="img"; filename="a.png"\r\n\r\n'
  const body = Buffer.concat([Buffer.from(`--B\r\n${empty}\r\n--B\r\n${full}`), png, Buffer.from('\r\n--B--\r\n')])
  const { bytes } = await upscaled(`${server.url}/upscale`, { body: new Uint8Array(body), headers: multipart })
  assert.equal((await sharp(bytes).metadata()).width, 64)
})

test('an image without a filename is named as such', async () => {
  const body = Buffer.concat([
    Buffer.from('--B\r\nContent-Disposition: form-data; name="img"; filename=""\r\nContent-Type: image/png\r\n\r\n'),
    png,
    Buffer.from('\r\n--B--\r\n'),
  ])
  const problem = await problemOf(await fetch(`${server.url}/upscale`, { method: 'POST', body: new Uint8Array(body), headers: multipart }))
  assert.equal(problem.code, 'missing-image')
})

test('after all of that the server still works', async () => {
  const { bytes } = await upscaled(`${server.url}/upscale`, { body: form(png) })
  assert.equal((await sharp(bytes).metadata()).width, 64)
})

async function animation(): Promise<Buffer> {
  const frames = drawPhoto(8, 16)
  return sharp(frames.data, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
    .webp({ loop: 0, delay: [100, 100] })
    .toBuffer()
}

/** A PNG that claims a size and holds next to nothing. */
function pngHeader(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2], 8)
  const chunk = (type: string, data: Buffer) => {
    const named = Buffer.concat([Buffer.from(type), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(named))
    return Buffer.concat([length, named, sum])
  }
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(100))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}
