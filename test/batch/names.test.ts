import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { nameOutputs } from '../../batch/names.js'
import { formatOfName } from '../../infer/format-of-name.js'
import { OUTPUT_FORMATS, type OutputFormat } from '../../infer/job.js'

const name = (place: string, format: OutputFormat, suffix = '') => nameOutputs([{ path: `/in/${place}`, place, format }], suffix)[0]
const names = (places: string[], format: OutputFormat = 'png', suffix = '') =>
  nameOutputs(
    places.map(place => ({ path: `/in/${place}`, place, format })),
    suffix,
  )

test('an output keeps its folder and stem and takes the extension of its format', () => {
  assert.equal(name('sub/deep/a.tiff', 'png'), 'sub/deep/a.png')
  assert.equal(name('a.tar.png', 'webp'), 'a.tar.webp')
})

test('an extension that already says the format keeps its spelling', () => {
  assert.equal(name('a.JPEG', 'jpg'), 'a.JPEG')
  assert.equal(name('a.png', 'jpg'), 'a.jpg')
})

test('the suffix stands before the extension', () => {
  assert.equal(name('sub/a.png', 'png', '_x4'), 'sub/a_x4.png')
})

test('outputs that would meet keep the whole names of their inputs', () => {
  assert.deepEqual(names(['a.jpg', 'a.png', 'b.jpg']), ['a.jpg.png', 'a.png.png', 'b.png'])
  assert.deepEqual(names(['a.jpg', 'a.png'], 'png', '_x4'), ['a.jpg_x4.png', 'a.png_x4.png'])
})

test('names that differ in letter case alone count as meeting', () => {
  assert.deepEqual(names(['A.tif', 'a.png']), ['A.tif.png', 'a.png.png'])
})

test('a name that was free until others took whole names makes room too', () => {
  assert.deepEqual(names(['a.jpg', 'a.png', 'a.jpg.tif']), ['a.jpg.png', 'a.png.png', 'a.jpg.tif.png'])
})

test('two files of one place are refused', () => {
  const twice = ['/one/a.png', '/two/a.png'].map(path => ({ path, place: 'a.png', format: 'png' as const }))
  assert.throws(() => nameOutputs(twice, ''), { code: 'invalid-option', message: /\/one\/a\.png and \/two\/a\.png/ })
})

const place = fc
  .tuple(
    fc.constantFrom('', 's/', 's/t/'),
    fc.constantFrom('a', 'A', 'b', 'a.jpg', 'a.png', 'é', 'é'),
    fc.constantFrom('.png', '.jpg', '.JPG', '.jpeg', '.webp', '.tif'),
  )
  .map(parts => parts.join(''))
const sources = fc.uniqueArray(fc.record({ place, format: fc.constantFrom(...OUTPUT_FORMATS) as fc.Arbitrary<OutputFormat> }), {
  selector: source => source.place,
  maxLength: 12,
})
const withPaths = (list: { place: string; format: OutputFormat }[]) => list.map(source => ({ ...source, path: `/in/${source.place}` }))

test('no two outputs ever share a name, and each says its format in its own folder', () => {
  fc.assert(
    fc.property(sources, list => {
      const outputs = nameOutputs(withPaths(list), '')
      assert.equal(new Set(outputs).size, list.length)
      for (const [i, output] of outputs.entries()) {
        assert.equal(formatOfName(output), list[i]!.format)
        assert.equal(posix.dirname(output), posix.dirname(list[i]!.place))
      }
    }),
  )
})

test('the order of the inputs does not change a name', () => {
  fc.assert(
    fc.property(
      sources.chain(list => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => {
        const named = (some: typeof list) =>
          Object.fromEntries(nameOutputs(withPaths(some), '').map((output, i) => [some[i]!.place, output]))
        assert.deepEqual(named(shuffled), named(list))
      },
    ),
  )
})
