import type { Symmetry } from '../runtime/tta.js'

const ORIENTATION = 0x0112

/**
 * How a picture is to be turned to stand upright.
 * @param exif a TIFF directory, as it lies in PNG's eXIf chunk; one that is damaged or does not tell leaves the picture as it is
 */
export function exifSymmetry(exif: Uint8Array): Symmetry {
  const value = orientationOf(exif)
  const turned = value >= 1 && value <= 8 ? value - 1 : 0
  // 1 to 4: as stored, left and right exchanged, both, above and below; 5 to 8: the same in a picture whose columns become rows first.
  return { exchanged: turned >= 4, mirrored: turned % 4 === 1 || turned % 4 === 2, upended: turned % 4 >= 2 }
}

// TIFF 6.0 section 2: byte order, where the directory lies, entries of 12 bytes (tag, type, count, value)
function orientationOf(exif: Uint8Array): number {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength)
  try {
    const little = view.getUint8(0) === 0x49
    const directory = view.getUint32(4, little)
    for (let i = 0; i < view.getUint16(directory, little); i++) {
      const at = directory + 2 + 12 * i
      if (view.getUint16(at, little) === ORIENTATION) return view.getUint16(at + 8, little)
    }
  } catch {}
  return 1
}
