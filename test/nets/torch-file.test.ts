import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { UprezError } from '../../errors.js'
import { readTorchFile } from '../../nets/torch-file.js'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-torch-'))
})
after(() => rm(folder, { recursive: true }))

for (const [layout, packed] of [
  ['the zip of today', zipped()],
  ['the row of pickles of before 1.6', pickles()],
] as const) {
  test(`tensors written by PyTorch are read: ${layout}`, async () => {
    const weights = await read(packed)
    assert.deepEqual([...weights.keys()], ['w', 'wt', 'h', 'n'])
    assert.deepEqual(weights.get('w'), { shape: [2, 3], data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25) })
    assert.deepEqual(weights.get('wt'), { shape: [3, 2], data: Float32Array.of(0, 0.75, 0.25, 1, 0.5, 1.25) }, 'a transposed view')
    assert.deepEqual(weights.get('h'), { shape: [4], data: Float32Array.of(0.5, -2, 65504, 2 ** -24) }, 'half precision')
    assert.deepEqual(weights.get('n'), { shape: [], data: Float32Array.of(7) }, 'a scalar of int64')
  })

  test(`a file cut or flipped anywhere is read or refused, with a code: ${layout}`, async () => {
    const bytes = unpack(packed)
    for (let at = 0; at < bytes.length; at += 13) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 0x55
      for (const damaged of [bytes.subarray(0, at), flipped]) {
        await readBytes(damaged).catch(error => assert.ok(error instanceof UprezError, `byte ${at}: ${error.stack}`))
      }
    }
  })
}

test('a pickle that would run a program is refused by name, and nothing runs', async () => {
  await assert.rejects(read(evil()), { code: 'unsafe-weights', got: 'posix.system' })
})

test('a file of another kind is refused', async () => {
  for (const bytes of [Buffer.from('not weights at all'), Buffer.alloc(0), Buffer.from([0x80, 2, 0x7d, 0x2e])]) {
    await assert.rejects(readBytes(bytes), { code: 'invalid-weights' })
  }
  await assert.rejects(readTorchFile(join(folder, 'missing.pth')), { code: 'no-input' })
})

function read(packed: string) {
  return readBytes(unpack(packed))
}

async function readBytes(bytes: Buffer) {
  const path = join(folder, 'weights.pth')
  await writeFile(path, bytes)
  return readTorchFile(path)
}

function unpack(packed: string): Buffer {
  return inflateSync(Buffer.from(packed, 'base64'))
}

/**
 * What PyTorch 2.15 wrote of
 *   a = torch.arange(6.0).reshape(2, 3) / 4
 *   sd = {'w': a, 'wt': a.t(), 'h': torch.tensor([0.5, -2.0, 65504.0, 6e-8]).half(), 'n': torch.tensor(7)}
 *   torch.save({'params_ema': sd, 'step': 3}, path)
 */
function zipped(): string {
  return (
    'eNqlVF1v0lAYPm2hQOcXDifza37LojJgMOBimzamMamJDGNCdtN00FFiobzlsOnMkiVmxN36A4z/wlv/gl6oMV5pzOKVP0HPaYG1jG3ZPMnhJIf3ed6n7/s+' +
    'pyBzPoSCQbRrCSiK1qYqKlbjzWeGJEbQ4pC1wa4DipUEAmiqllpvKVpdBWYd2FiJIZerwJWxaZX1uNLGNaMlKJa21K4ZFQVrjZZpKSspAXyxWClAglskUq1q' +
    '4HcggmSYKn7iXArA24QJCJQ4cpabbQjKPIbQgoxkVuY6IMiczHRgZKtcNg1DK+Oa2WgJj62KZmmVB7UyFuDYZBGOYzhRhJMllsrDcEon6XW/zusB3SYMU0JO' +
    'ZjtwWmYo7+iWTnERDGeKMGar0OGsA+sqfagay32hUTskCeOEz4fhHOXzbcJ5mdmECw7XRQyXijBhBzbgsofrkdmo9rmu2CEpuEq4GAzXCNfkpMNxHcONItxs' +
    'l3x26bQm3JK5drwgB4IBmfn2hgDpLuzZ4TCaIh2OL5tWXcXKima1SMEk8fbQRu+xkjTd+z/fX1GZdO+dLoJmabpukxXVqFUbda2BJTF/mIzeNZOmAuZX4Tdt' +
    'J7uvgBHkJwKWXmDNpDMhiQxaNGoYGxrl2Jz9Oc6TKH5fjiDydV0xlZDE3u3GHPmZR+ge2Rtkv5unjMVf2xNR8kf0AMZUjzEpifFDlgLl0Ie/LxlE83UM5nXQ' +
    'Ztw/n9jLl5LEuaOX3l6BLivN3/y8bR6cP4Tuk/z9aZv9PwHTAs388W316cH9j5JikQG0P72lWTUygWsqfSSUWkUS00cSksil8+lcLpfO5mcyiXQuO51JJNOJ' +
    'bCaVyScT09lsNplOZWeyVCVnjX6JER0xWyXD2t3o6nQ7VtilfOcdHsS5rRf2YH4waLe7B+Fu40Q88AUWDXXrIIPbNiMehk82Q99ug0C3O7zNGuNQ32ODKPeM' +
    'e1H6Dio5iHJPphf1dQeVGkS5pyrkQdEntz/DgzB3m6Peitiw4QNYkHn+TjfuEnfXZRfvGWad87m/Zzze9uBW14nOG+znHUzIjndi/wFjsZqP'
  )
}

/** torch.save(sd, path, _use_new_zipfile_serialization=False) */
function pickles(): string {
  return (
    'eNptksuO0zAUhu04bcEww3BnuA43qd1UUNq03TAs0AjJXMPGGxSV1EyCrLgncQYBGqmbqRiegQVLHoPX4RGQkOC4KQMj1ZId5fjk+//fztT7zPWvL1s/N95+' +
    'e77ennpPfjBcd4E05RohZJIba2Kjox2VF6nJgGKDXMEdnVqrVaSycTrKwPskORbt+4mKivSDKoDtgt+UNSwWickt1IQnGb6lmYW68KXvGCbbhobwy/KvJsXq' +
    'O6CxNXmctKPSprrgUa5el6keR1ZlhcmjnQ4Hr9mUDQfHztG2AlZ9wre0GdmXVZGDL1exZ9gNBt2gPwz6Qad7B2pzH/GkRB/1pxYaLwQRnmAzOCKYoDM4uh9j' +
    'ZK1ii4kL/iwfq1yNH6ax5cBbIRyzcDyEFek5sxZWEzSTsGSp2ImkEllzIkx4MzgpqNM6tZ841mkLZ0I4Ow+ewLkKtcjyaKTfHEQ5f4je6/YGvQAuIN1H+rqj' +
    '+3twUdA9uFSRL1u4EsLVOTmDa4fIj/HgD8gb/8gIHvbvdu514DqSKZJvILnVqog3LdwK4ba7rFfuspYYosvOwFsmwFTb/QLzMSDff3+kpE7+H9P7uGwS8gDn' +
    'FOfXTbrYaSyefwAU8a3P'
  )
}

/** torch.save of a dictionary that holds `a` and an object whose `__reduce__` is (os.system, ('touch owned',)) */
function evil(): string {
  return (
    'eNqdVM+P0kAYnbZQYPAXGw54UU+KRljKQoHDimlMLz2IGA3ZxDTddpZtLJRpB9jdxITE7CYeTTwbLyaevei/4cmLN2OMJ/8Fpy1iW1hcnWSYMP3e+17f96Cj' +
    'cAkA0mmwtCAogKNNQyNaefTUkqU82FmxZuwzDIo9hgKmmNGJ7ej7ZXVMTMuFqoN2x6ZlqAQNXdtRJ1WI2WKxl6LFLq3U+ghzAQTKlq2Rh8ElxAmfsIKTPY6e' +
    '+miMeYUnOPVAAQqrcCc4rXAKc4IzL3TdtiykE9MeuvC+YyAHGfdMnUAMb3ZxluBzXXzeZzvAF/SR7ZoH0D10CRpAfLGXpffEHuv71+zpEBn40jHOdfHGuNxR' +
    'UulJkn/1mRZ4u3OqTTlwi9pU3rOdgUbUCXJcKkWWrq90a3kJXqcPP7889yQyazvlwbbXae6cqllmfzhAQyJLrTM2W7HEmiegPcU/WNqCXSsgC5JUwO4hQbZn' +
    'tCwxYMcyCbGQx3G8/fUyT6v4tRxpkJinarMiS79vZ3foRxuAu3TP6H7T9hi7375fLdAHhbWMGSBQxoXxpX/zYgt6nT697j/6+/sXQNMbgC/eRY5JJ3CkeclT' +
    'TUOWav81BKHeqDaFVqsuCM16TaxtVapipS4KFbHRqAstQRQatKLmT6nzfq9UpDqKvkqG9f2c6wyHFS4p//M7juPC0ctFMDcYsBzsODwcnHwE/jKAL6U1zhCO' +
    'TTbCsMGCcNziwHA6osN6zIJFxuKo8KQzEdQ7H3XKe4atL0RVcuDUUHQUnr89r7vClRaYVOx8ywTnR27eTeH9R0+SwffgfyHJB5iUXx/U/gL1IyL/'
  )
}
