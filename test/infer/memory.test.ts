import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { CgroupPlaces } from '../../infer/cgroup.js'
import { cpusAllowed } from '../../infer/cpus.js'
import { LIMITS, readLimits } from '../../infer/limits.js'
import { memoryAllowed, memoryShare } from '../../infer/memory.js'

const MiB = 2 ** 20
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-cgroup-'))
})
after(() => rm(folder, { recursive: true }))

let count = 0
/** A kernel's files as they would be under /proc and /sys. */
async function kernel(membership: string, files: Record<string, string>): Promise<CgroupPlaces> {
  const root = join(folder, String(++count))
  for (const [name, text] of Object.entries({ membership, ...files })) {
    await mkdir(dirname(join(root, 'mount', name)), { recursive: true })
    await writeFile(join(root, 'mount', name), `${text}\n`)
  }
  return { membership: join(root, 'mount/membership'), mount: join(root, 'mount') }
}

describe('memory and CPUs of a control group', () => {
  it('in a container of version 2, whose own group is the root', async () => {
    const places = await kernel('0::/', { 'memory.max': String(512 * MiB), 'cpu.max': '50000 100000' })
    assert.equal(memoryAllowed(places), Math.min(totalmem(), 512 * MiB))
    assert.equal(cpusAllowed(places), 1)
  })

  it('of a service: the least of its own group and those around it', async () => {
    const places = await kernel('0::/system.slice/uprez.service', {
      'system.slice/memory.max': String(300 * MiB),
      'system.slice/uprez.service/memory.max': String(400 * MiB),
      'system.slice/cpu.max': '100000 100000',
      'system.slice/uprez.service/cpu.max': 'max 100000',
    })
    assert.equal(memoryAllowed(places), 300 * MiB)
    assert.equal(cpusAllowed(places), 1)
  })

  it('of version 1, with a hierarchy for each controller', async () => {
    const places = await kernel('4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/', {
      'memory/docker/abc/memory.limit_in_bytes': String(256 * MiB),
      'memory/memory.limit_in_bytes': '9223372036854771712',
      'cpu/docker/abc/cpu.cfs_quota_us': '150000',
      'cpu/docker/abc/cpu.cfs_period_us': '100000',
      'cpu/cpu.cfs_quota_us': '-1',
      'cpu/cpu.cfs_period_us': '100000',
    })
    assert.equal(memoryAllowed(places), 256 * MiB)
    assert.equal(cpusAllowed(places), 1)
  })

  it('where nothing limits it: those of the machine', async () => {
    assert.equal(memoryAllowed(await kernel('0::/', { 'memory.max': 'max', 'cpu.max': 'max 100000' })), totalmem())
    assert.equal(memoryAllowed({ membership: join(folder, 'none'), mount: join(folder, 'none') }), totalmem())
    assert.equal(cpusAllowed(await kernel('0::/', { 'cpu.max': 'max 100000' })), cpusAllowed({ membership: '', mount: '' }))
  })
})

it('the default limits shrink where memory is short, and never those that were asked for', () => {
  assert.equal(memoryShare(512 * MiB), 1 / 8)
  assert.equal(memoryShare(64 * 1024 * MiB), 1)
  assert.equal(readLimits({}, {}).maxOutputPixels, Math.ceil(LIMITS.maxOutputPixels.fallback * memoryShare()))
  assert.equal(readLimits({ maxOutputPixels: 7 }, {}).maxOutputPixels, 7)
})
