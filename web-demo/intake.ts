import { UprezError } from '../web/upscaler.js'

/**
 * The four ways a picture gets in: dropped anywhere on the page, pasted, chosen, or one of the samples.
 * @param fail is told of a sample that does not come (`no-input`)
 */
export function watchIntake(take: (picture: Blob, name: string) => void, fail: (error: UprezError) => void): void {
  const drop = document.getElementById('drop')!
  const file = document.getElementById('file') as HTMLInputElement

  file.addEventListener('change', () => {
    const chosen = file.files?.[0]
    file.value = ''
    if (chosen) take(chosen, chosen.name)
  })

  document.addEventListener('paste', event => {
    const pasted = event.clipboardData?.files[0]
    if (!pasted) return
    event.preventDefault()
    take(pasted, pasted.name)
  })

  // `dragleave` also fires between elements, so the count of entered ones says whether the pointer is still here.
  let inside = 0
  const mark = (change: number) => {
    inside = Math.max(0, inside + change)
    document.body.classList.toggle('dragging', inside > 0)
  }
  const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
  document.addEventListener('dragenter', event => hasFile(event) && mark(1))
  document.addEventListener('dragleave', event => hasFile(event) && mark(-1))
  document.addEventListener('dragover', event => hasFile(event) && event.preventDefault())
  document.addEventListener('drop', event => {
    mark(-inside)
    const dropped = event.dataTransfer?.files[0]
    if (!dropped) return
    event.preventDefault()
    take(dropped, dropped.name)
  })

  drop.addEventListener('click', event => {
    if (!(event.target as Element).closest('label, input')) file.click()
  })

  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-sample]')) {
    button.addEventListener('click', async () => {
      const address = button.querySelector('img')!.src
      const response = await fetch(address).catch(() => undefined)
      const picture = response?.ok ? await response.blob().catch(() => undefined) : undefined
      if (!picture) return fail(new UprezError('no-input', 'The sample could not be fetched.', { got: address }))
      take(picture, `${button.dataset.sample}.${picture.type === 'image/jpeg' ? 'jpg' : 'png'}`)
    })
  }
}
