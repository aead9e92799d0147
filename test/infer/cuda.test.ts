import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { execute } from '../../execute.js'
import { cudaFolder, cudaRuntime, missingForCuda, onnxruntimeVersion, setupCuda } from '../../infer/cuda.js'
import { tryProvider } from '../../infer/providers.js'
import { openRuntime } from '../../infer/session.js'
import { writeModel } from '../support/model.js'

/**
 * Libraries that stand in for ONNX Runtime's provider and NVIDIA's: copies of onnxruntime-node's own addon, the name of the one
 * library that it needs beside the system's written over with another.
 */
const addon = await readFile(
  join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')), 'bin/napi-v6/linux/x64/onnxruntime_binding.node'),
).catch(() => Buffer.alloc(0))
const OLD = 'libonnxruntime.so.1'

function library(needs: string, version = ''): Buffer {
  const bytes = Buffer.concat([addon, Buffer.from(`\0${version}\0`)])
  for (let at = bytes.indexOf(`${OLD}\0`); at >= 0; at = bytes.indexOf(`${OLD}\0`, at + 1)) bytes.write(needs.padEnd(OLD.length, '\0'), at)
  return bytes
}

const version = onnxruntimeVersion()
const folder = await mkdtemp(join(tmpdir(), 'uprez-cuda-'))
const environment = { ...process.env }
const python = (await execute('python3', ['--version'])).code === 0
const skip = process.platform !== 'linux' || process.arch !== 'x64' || !python

/** Files in a zip file, as wheels and NuGet packages are. */
async function zip(file: string, entries: Record<string, Buffer>): Promise<string> {
  const place = await mkdtemp(join(folder, 'zip-'))
  for (const [name, bytes] of Object.entries(entries)) {
    await mkdir(dirname(join(place, name)), { recursive: true })
    await writeFile(join(place, name), bytes)
  }
  const { code, output } = await execute('python3', [
    '-m',
    'zipfile',
    '-c',
    file,
    ...Object.keys(entries).map(name => join(place, name.split('/')[0]!)),
  ])
  assert.equal(code, 0, output)
  return file
}

const provider = (made = version, cudart = 'libcudart.so.13') => ({
  'libonnxruntime_providers_cuda.so': library(cudart, made),
  'libonnxruntime_providers_shared.so': library(cudart),
})

const inside = (place: string, files: Record<string, Buffer>) =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${place}/${name}`, bytes]))

/** A python3 that takes wheels from a folder instead of downloading them, and notes their names. */
async function standIn(wheels: Record<string, Record<string, Buffer>>): Promise<() => Promise<string[]>> {
  const place = await mkdtemp(join(folder, 'pip-'))
  for (const [name, entries] of Object.entries(wheels)) await zip(join(place, `${name}.whl`), entries)
  const real = (await execute('sh', ['-c', 'command -v python3'])).stdout.trim()
  const program = `#!/bin/sh
[ "$2" = pip ] || exec ${real} "$@"
for name do case "$dest" in --dest) dest="$name=";; *=) ;; *) dest="$name";; esac; done
dest="\${dest%=}"
echo "$name" >> ${place}/asked
cp "${place}/\${name%%==*}.whl" "$dest/" || { echo "ERROR: No matching distribution found for $name"; exit 1; }
`
  await writeFile(join(place, 'python3'), program)
  await chmod(join(place, 'python3'), 0o755)
  process.env.PATH = `${place}:${environment.PATH}`
  return async () => (await readFile(join(place, 'asked'), 'utf8').catch(() => '')).split('\n').filter(line => line !== '')
}

const NVIDIA = {
  'nvidia-cuda-runtime': { 'nvidia/cu13/lib/libcudart.so.13': library('libc.so.6') },
  'nvidia-cuda-nvrtc': { 'nvidia/cu13/lib/libnvrtc.so.13': library('libc.so.6') },
  'nvidia-cublas': { 'nvidia/cu13/lib/libcublas.so.13': library('libc.so.6') },
  'nvidia-curand': { 'nvidia/cu13/lib/libcurand.so.10': library('libc.so.6') },
  'nvidia-cudnn-cu13': { 'nvidia/cudnn/lib/libcudnn.so.9': library('libc.so.6'), 'nvidia/cudnn/include/cudnn.h': Buffer.from('') },
}

describe('setup cuda', { skip }, () => {
  const said: string[] = []
  const say = (line: string) => void said.push(line)
  beforeEach(async () => {
    said.length = 0
    process.env.PATH = environment.PATH
    process.env.UPREZ_CACHE = await mkdtemp(join(folder, 'cache-'))
  })
  after(async () => {
    process.env = environment
    await rm(folder, { recursive: true })
  })

  it('puts the provider and its libraries beside a copy of ONNX Runtime, once', async () => {
    const asked = await standIn({ 'onnxruntime-gpu': inside('onnxruntime/capi', provider()), ...NVIDIA })
    assert.equal(cudaRuntime(), undefined)
    assert.equal(await setupCuda(say), 'made')
    const runtime = cudaRuntime()!
    assert.deepEqual(
      runtime.libraries,
      ['cu13', 'cudnn'].map(name => join(cudaFolder(), 'nvidia', name, 'lib')),
    )
    assert.deepEqual(await missingForCuda(runtime), [])
    assert.equal((await asked())[0], `onnxruntime-gpu==${version}`)
    assert.deepEqual(
      (await asked()).slice(1).map(name => name.split('==')[0]),
      Object.keys(NVIDIA),
    )
    assert.ok(
      said.some(line => line.includes('CUDA 13')),
      said.join('\n'),
    )
    assert.deepEqual((await readdir(cudaFolder())).sort(), ['made.json', 'node_modules', 'nvidia'])

    const ort = await openRuntime(runtime.folder)
    assert.notEqual(ort.InferenceSession, (await openRuntime(undefined)).InferenceSession)
    assert.equal(ort.env.versions.node, version)

    const count = (await asked()).length
    assert.equal(await setupCuda(say), 'ready')
    assert.equal((await asked()).length, count)
  })

  it('fetches nothing where provider and libraries are at hand; what is missing later is named', async () => {
    const asked = await standIn({})
    const libraries = await mkdtemp(join(folder, 'system-'))
    for (const files of Object.values(NVIDIA)) {
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(libraries, name.split('/').at(-1)!), bytes)
    }
    const at = await mkdtemp(join(folder, 'from-'))
    for (const [name, bytes] of Object.entries(provider())) await writeFile(join(at, name), bytes)
    process.env.LD_LIBRARY_PATH = libraries
    const nuget = await zip(join(folder, 'a.nupkg'), inside('runtimes/linux-x64/native', provider()))
    for (const from of [at, nuget]) {
      assert.equal(await setupCuda(say, from), 'made')
      assert.deepEqual(cudaRuntime()!.libraries, [])
    }
    delete process.env.LD_LIBRARY_PATH
    assert.deepEqual(await asked(), [])
    assert.deepEqual(await missingForCuda(cudaRuntime()!), ['libcudart.so.13', 'libcudnn.so.9'])

    const { dir } = await writeModel(folder)
    const { report } = await tryProvider('cuda', [0], { folder: dir, precision: 'fp32' })
    const reason = 'libcudart.so.13, libcudnn.so.9 are missing'
    assert.deepEqual(report, { provider: 'cuda', works: false, reason, fix: 'npm run setup -- cuda' })
  })

  it('refuses what does not fit, saying both, and leaves nothing behind', async () => {
    await standIn({})
    const at = async (files: Record<string, Buffer>) =>
      zip(join(await mkdtemp(join(folder, 'bad-')), 'a.whl'), inside('onnxruntime/capi', files))
    const other = await at(provider('1.2.3'))
    const old = await at(provider(version, 'libcudart.so.11'))
    const half = await at({ 'libonnxruntime_providers_cuda.so': library('libcudart.so.13', version) })
    const missing = join(folder, 'gone.whl')
    await writeFile(join(folder, 'text.whl'), 'no zip file')
    for (const [from, code, message] of [
      [other, 'provider-unavailable', new RegExp(`version 1\\.2\\.3, but onnxruntime-node is ${version.replaceAll('.', '\\.')}`)],
      [old, 'provider-unavailable', /is for CUDA 11; expected one for 12 or 13/],
      [half, 'provider-unavailable', /does not hold libonnxruntime_providers_shared\.so/],
      [join(folder, 'text.whl'), 'provider-unavailable', /could not be unpacked: .*not a zip file/],
      [missing, 'no-input', /gone\.whl cannot be read/],
      [undefined, 'provider-unavailable', /pip could not download onnxruntime-gpu==.*No matching distribution/],
    ] as const) {
      // Whoever sets it up is not told to set it up.
      const expected = code === 'no-input' ? 'a file or folder' : undefined
      await assert.rejects(setupCuda(say, from), { code, message, expected })
      assert.deepEqual(await readdir(process.env.UPREZ_CACHE!), [])
    }
  })
})
