import { gzipSync } from 'node:zlib'
import { sharp } from '../../../infer/sharp.js'
import { raw } from '../../infer/pictures.js'
import { drawPhoto } from '../../support/draw.js'
import { BOUNDARY, multipart } from '../client.js'
import { FINE, type Hostile, type Right, upload } from './hostile.js'

/** Files that are two things at once, or another than their name says, and files of next to nothing. */
export async function disguises(): Promise<Hostile[]> {
  const photo = raw(drawPhoto(16, 12))
  const [png, jpeg] = [await photo.clone().png().toBuffer(), await photo.clone().jpeg().toBuffer()]
  const gif = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .gif()
    .toBuffer()
  const html = Buffer.from('<!DOCTYPE html><script>alert(1)</script>')
  const zip = Buffer.concat([
    Buffer.from('PK\x03\x04', 'latin1'),
    Buffer.alloc(100, 7),
    Buffer.from('PK\x05\x06', 'latin1'),
    Buffer.alloc(18),
  ])
  const isTwo = (name: string, bytes: Buffer, filename: string): Hostile => upload(name, () => bytes, FINE, filename)
  const is = (name: string, bytes: string | Buffer, filename: string, right: Right): Hostile =>
    upload(name, () => (typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes), [right], filename)
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'
  return [
    isTwo('a PNG that is a ZIP', Buffer.concat([png, zip]), 'a.png'),
    isTwo('a PNG that is a page', Buffer.concat([png, html]), 'a.html'),
    isTwo('a PNG with a million bytes behind it', Buffer.concat([png, Buffer.alloc(1_000_000, 0xcc)]), 'a.png'),
    isTwo(
      'a JPEG that is a page',
      Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xfe, 0, 2 + html.length]), html, jpeg.subarray(2)]),
      'a.html',
    ),
    isTwo('a JPEG that is a Java archive', Buffer.concat([jpeg, zip]), 'a.jar'),
    isTwo('a JPEG that is a script', Buffer.concat([jpeg, Buffer.from('<?php system($_GET[0]); ?>')]), 'a.php'),
    isTwo('a PNG called a JPEG', png, 'a.jpg'),
    isTwo('a JPEG called a program', jpeg, 'a.exe'),
    is('a GIF called a PNG', gif, 'a.png', 'unsupported-format'),
    is('a GIF that is a script', Buffer.concat([Buffer.from('GIF89a/*'), Buffer.from('*/=1;alert(1)')]), 'a.png', 'unsupported-format'),
    is('an SVG called a PNG', svg, 'a.png', 'unsupported-format'),
    is('an SVG behind a declaration', `<?xml version="1.0"?><!DOCTYPE svg>\n${svg}`, 'a.png', 'unsupported-format'),
    is('a PDF called a JPEG', '%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj', 'a.jpg', 'unsupported-format'),
    is('a BMP called a PNG', `BM${'\0'.repeat(12)}\x28\0\0\0${'\0'.repeat(60)}`, 'a.png', 'unsupported-format'),
    is('an icon', `\0\0\x01\0\x01\0${'\0'.repeat(40)}`, 'a.png', 'unsupported-format'),
    is('a Photoshop document', `8BPS\0\x01${'\0'.repeat(40)}`, 'a.tif', 'unsupported-format'),
    is('a JPEG XL picture', '\xff\x0a\xfa\x1f', 'a.jpg', 'unsupported-format'),
    is('a JPEG 2000 picture', `\0\0\0\x0cjP  \r\n\x87\n${'\0'.repeat(40)}`, 'a.jpg', 'unsupported-format'),
    is('a page called a PNG', html, 'a.png', 'not-an-image'),
    is('a ZIP called a PNG', zip, 'a.png', 'not-an-image'),
    is('a packed PNG', gzipSync(png), 'a.png', 'not-an-image'),
    is('a program called a PNG', `\x7fELF\x02\x01\x01${'\0'.repeat(100)}`, 'a.png', 'not-an-image'),
    is(
      'words of ImageMagick',
      "push graphic-context\nimage over 0,0 0,0 'https://example.com/x'\npop graphic-context",
      'a.png',
      'not-an-image',
    ),
    is('a picture of libvips itself', `\x08\xf2\xa6\xb6${'\0'.repeat(200)}`, 'a.png', 'not-an-image'),
    is('a table of numbers', '3 2\n1 2 3\n4 5 6\n', 'a.png', 'not-an-image'),
    is('a portable pixmap', 'P6 2 2 255 abcdefghijkl', 'a.png', 'not-an-image'),
    is('a picture of the stars', `SIMPLE  =${'T'.padStart(21)}${' '.repeat(2850)}`, 'a.png', 'not-an-image'),
    is('an OpenEXR picture', `\x76\x2f\x31\x01\x02\0\0\0${'\0'.repeat(100)}`, 'a.png', 'not-an-image'),
    is('a Radiance picture', '#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x80', 'a.png', 'not-an-image'),
    is('PostScript', '%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file', 'a.png', 'not-an-image'),
    is('a path instead of a picture', '/etc/passwd', 'a.png', 'not-an-image'),
    is('an address instead of a picture', 'http://127.0.0.1:80/a.png', 'a.png', 'not-an-image'),
    is('a kilobyte of zeros', Buffer.alloc(1000), 'a.png', 'not-an-image'),
    is('no byte', '', 'a.png', 'empty-image'),
    ...['\x89', '\xff', 'R', 'I', 'M', '\0', '<'].map(byte =>
      is(`the byte ${byte.charCodeAt(0).toString(16)} alone`, byte, 'a.png', 'not-an-image'),
    ),
    ...['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'RIFF\0\0\0\0WEBP', 'II*\0', 'MM\0*', '\0\0\0\x14ftypavif\0\0\0\0avif'].map(magic =>
      is(`the magic bytes ${JSON.stringify(magic)} alone`, magic, 'a.png', 'broken-image'),
    ),
  ]
}

/** File names that lead elsewhere, and forms that say something twice. */
export async function tricks(): Promise<Hostile[]> {
  const png = await raw(drawPhoto(16, 12)).png().toBuffer()
  const named = (what: string, filename: string, right: readonly Right[] = FINE): Hostile =>
    upload(`a file name ${what}`, () => png, right, filename)
  const form = (name: string, parts: Buffer[], right: readonly Right[]): Hostile => ({
    name,
    body: async () => Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]),
    right,
  })
  const part = (about: string, body: string | Buffer): Buffer =>
    Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${about}\r\n\r\n`),
      Buffer.from(body),
      Buffer.from('\r\n'),
    ])
  const image = part('name="img"; filename="a.png"', png)
  const ANY: readonly Right[] = [200, 'broken-multipart', 'missing-image']
  return [
    named('that climbs', '../../../../etc/passwd'),
    named('that climbs in Windows', '..\\..\\windows\\win.ini'),
    named('from the root', '/etc/shadow.png'),
    named('of a drive', 'C:\\a.png'),
    named('of a device', 'CON'),
    named('of dots', '...'),
    named('with percent signs', '%2e%2e%2f%00.png'),
    named('with a NUL', 'a\0.png', ANY),
    named('with a line break', 'a\r\nX-Injected: yes.png', ANY),
    named('with a lone line feed', 'a\nb.png', ANY),
    named('with a quote', 'a"; name="scale.png', ANY),
    named('with markup', '<img src=x onerror=alert(1)>.png'),
    named('with a command', '$(reboot);`reboot`|reboot.png'),
    named('written from right to left', '\u202egnp.exe'),
    named('of pictures', `${'\u{1f600}'.repeat(40)}.png`),
    named('with half of a letter', 'a\ud800.png'),
    named('of 5000 letters', `${'a'.repeat(5000)}.png`, ANY),
    named('of 100,000 letters', `${'a'.repeat(100_000)}.png`, ['broken-multipart']),
    named('of spaces', ' '),
    named('of a prototype', '__proto__'),
    form('the same scale twice', [part('name="scale"', '2'), part('name="scale"', '2'), image], FINE),
    form('two scales', [part('name="scale"', '2'), part('name="scale"', '3'), image], ['invalid-option']),
    form('a hundred scales', [...Array<Buffer>(100).fill(part('name="scale"', '2')), image], ['broken-multipart']),
    form('two pictures', [image, image], ['several-images']),
    form('a picture as a field too', [part('name="img"', 'a.png'), image], ['missing-image', 'several-images']),
    form(
      'two names for one part',
      [part('name="img"; name="scale"; filename="a.png"', png)],
      [200, 'unknown-option', 'invalid-option', 'broken-multipart', 'missing-image'],
    ),
    form('two file names for one part', [part('name="img"; filename="a.png"; filename="../b.png"', png)], ANY),
    form(
      'two dispositions of one part',
      [part('name="img"; filename="a.png"\r\nContent-Disposition: form-data; name="model"', png)],
      [200, 'broken-multipart', 'invalid-option', 'missing-image', 'unknown-model'],
    ),
    form('a field of a prototype', [part('name="__proto__"', '1'), image], ['unknown-option']),
    form('a field of 100 kB', [part('name="scale"', '2'.repeat(100_000)), image], ['invalid-option']),
    form(
      'a form within the form',
      [part('name="img"; filename="a.png"', multipart('b.png', png))],
      ['not-an-image', 'broken-multipart', 'several-images', 200],
    ),
  ]
}
