import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execute } from '../../execute.js'
import { sharp } from '../../infer/sharp.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
let home: string

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-provider-'))
  await writeModel(home, { id: 'double' })
  const { data, ...size } = drawPhoto(12, 9)
  await writeFile(
    join(home, 'a.png'),
    await sharp(data, { raw: { ...size, channels: 3 } })
      .png()
      .toBuffer(),
  )
})
after(() => rm(home, { recursive: true }))

/** Without anything set up. */
function upscale(output: string, ...flags: string[]) {
  const args = ['-m', home, '-n', 'double', '-i', join(home, 'a.png'), '-o', join(home, output), ...flags]
  return execute(process.execPath, [uprez, ...args], { ...process.env, UPREZ_CACHE: join(home, 'cache'), UPREZ_PROVIDER: 'cuda' })
}

test('the CPU is asked for with -g -1, as realesrgan-ncnn-vulkan has it, in place of the variable', async () => {
  const { code, output, stdout } = await upscale('cpu.png', '-g', '-1', '--json')
  assert.equal(code, 0, output)
  assert.match(output, /^computes on cpu$/m)
  assert.equal((JSON.parse(stdout) as { made: { provider: string }[] }).made[0]!.provider, 'cpu')
})

test('auto says what runs and why not the others; a card that is not there is an error with the fix', async () => {
  const auto = await upscale('auto.png', '-g', 'auto')
  assert.equal(auto.code, 0, auto.output)
  assert.match(auto.output, /^computes on (cpu|webgpu)/m)
  const named = await upscale('named.png')
  assert.equal(named.code, 1)
  assert.match(named.output, /provider-unavailable: .* UPREZ_PROVIDER .*; cuda: (not installed \(npm run setup -- cuda\)|not made for)/)
})
