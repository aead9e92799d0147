import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { sharp } from '../../infer/sharp.js'
import type { UpscaleOptions, Upscaler, UpscalerOptions } from '../../infer/upscaler.js'
import { createUpscaler } from '../../infer/upscaler.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { raw } from './pictures.js'

describe('createUpscaler', () => {
  let folder: string
  let up: Upscaler
  let picture: Buffer
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uprez-upscaler-'))
    await writeModel(folder, { id: 'mine', scale: 3 })
    picture = await raw(drawPhoto(12, 10)).png().toBuffer()
    await writeFile(join(folder, 'in.png'), picture)
    up = await createUpscaler({ model: 'mine', modelPath: folder, threads: 1 })
  })
  after(async () => {
    await up.close()
    await rm(folder, { recursive: true })
  })

  it('takes bytes, an ArrayBuffer, a path or a file address', async () => {
    const path = join(folder, 'in.png')
    const { data } = await up.upscale(picture)
    for (const input of [new Uint8Array(picture), new Uint8Array(picture).buffer, path, pathToFileURL(path)]) {
      const result = await up.upscale(input)
      assert.deepEqual(result.data, data)
      assert.deepEqual([result.width, result.height, result.format, result.model, result.provider], [36, 30, 'png', 'mine', 'cpu'])
    }
    assert.equal(up.card.scale, 3)
  })

  it('obeys its options', async () => {
    const seen: number[] = []
    const result = await up.upscale(picture, { scale: 2, format: 'jpg', quality: 50, onProgress: ({ done }) => seen.push(done) })
    assert.deepEqual([result.width, result.height, result.format], [24, 20, 'jpg'])
    assert.deepEqual(seen, [0, 1])
    const output = join(folder, 'out.png')
    const written = await up.upscale(picture, { output })
    assert.equal(written.data.length, 0)
    assert.deepEqual(new Uint8Array(await readFile(output)), new Uint8Array((await up.upscale(picture)).data))
  })

  it('writes the format that the name of the output says, and refuses one that says another', async () => {
    const output = join(folder, 'big.JPEG')
    assert.equal((await up.upscale(picture, { output })).format, 'jpg')
    assert.equal((await sharp(output).metadata()).format, 'jpeg')
    const nameless = await up.upscale(picture, { output: join(folder, 'big.bytes'), format: 'webp' })
    assert.equal(nameless.format, 'webp')
    await assert.rejects(up.upscale(picture, { output, format: 'png' }), {
      code: 'invalid-option',
      param: 'output',
      expected: 'a name for the format png',
    })
    await assert.rejects(up.upscale(picture, { output: join(folder, 'big.gif') }), { code: 'unsupported-format', param: 'output' })
  })

  it('refuses a tile that no picture can be cut with before it decodes', async () => {
    const { dir } = await writeModel(folder, { id: 'far', kind: 'network', depth: 4 })
    const far = await createUpscaler({ model: dir, threads: 1 })
    const torn = picture.subarray(0, picture.length - 40)
    await assert.rejects(far.upscale(torn), { code: 'broken-image' })
    await assert.rejects(far.upscale(torn, { tile: 8 }), { code: 'invalid-option', param: 'tile', expected: '0 or at least 9' })
    await far.close()
  })

  it('refuses unknown options with the nearest name', async () => {
    await assert.rejects(up.upscale(picture, { sacle: 2 } as UpscaleOptions), {
      code: 'unknown-option',
      param: 'sacle',
      message: /Did you mean scale\?/,
    })
    await assert.rejects(createUpscaler({ modle: 'x' } as UpscalerOptions), { code: 'unknown-option', message: /Did you mean model\?/ })
  })

  it('refuses wrong values, saying which and what would be right', async () => {
    for (const [options, message] of [
      [{ scale: 0 }, 'Expected a number above 0 and at most 64 for scale but received 0'],
      [{ scale: 65 }, 'Expected a number above 0 and at most 64 for scale but received 65'],
      [{ scale: '2' }, 'Expected a number above 0 and at most 64 for scale but received "2"'],
      [{ format: 'gif' }, 'Expected one of auto, png, jpg, webp, avif, tiff for format but received "gif"'],
      [{ quality: 101 }, 'Expected a whole number from 1 to 100 for quality but received 101'],
      [{ width: 1.5 }, 'Expected a whole number of pixels from 1 for width but received 1.5'],
      [{ depth: 12 }, 'Expected "auto", 8 or 16 for depth but received 12'],
      [{ dpi: 'print' }, 'Expected "keep", "scale" or a whole number from 1 to 65535 for dpi but received "print"'],
      [{ tile: -1 }, 'Expected a whole number of input pixels from 0 (0: chosen for you) for tile but received -1'],
      [{ scale: 2, width: 5 }, 'scale: expected either scale or width and height, got scale 2 with 5 width and no height'],
      [{ onProgress: 'yes' }, 'Expected a function for onProgress but received "yes"'],
      [null, 'Expected an object for options but received null'],
    ] as const) {
      await assert.rejects(up.upscale(picture, options as UpscaleOptions), { code: 'invalid-option', message })
    }
    await assert.rejects(createUpscaler({ threads: 0 }), { message: 'Expected a whole number from 1 to 256 for threads but received 0' })
    await assert.rejects(createUpscaler({ provider: 'cuad' }), { code: 'invalid-option', param: 'provider' })
    const foreign = process.platform === 'win32' ? 'coreml' : 'dml'
    await assert.rejects(createUpscaler({ provider: foreign }), {
      code: 'provider-unavailable',
      param: 'provider',
      message: /not made for/,
    })
    await assert.rejects(up.upscale(undefined as unknown as string), { code: 'missing-image' })
    await assert.rejects(up.upscale(new URL('http://localhost/a.png')), { code: 'missing-image' })
  })

  it('rejects with aborted', async () => {
    await assert.rejects(up.upscale(picture, { signal: AbortSignal.abort() }), { code: 'aborted' })
    const other = await createUpscaler({ model: 'mine', modelPath: folder, threads: 1 })
    const running = assert.rejects(other.upscale(picture), { code: 'aborted' })
    await other.close()
    await running
  })

  it('says which model is nearest to one that is not there', async () => {
    await assert.rejects(createUpscaler({ model: 'mien', modelPath: folder }), {
      code: 'unknown-model',
      param: 'model',
      got: 'mien',
      message: /Did you mean mine\?/,
    })
  })
})
