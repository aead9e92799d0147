import { UprezError } from '../errors.js'
import type { ServerLimits } from './limits.js'
import { createRate, type Rate } from './rate.js'

/** Counts what is on its way, so that memory and waiting times stay bounded however many ask at once. */
export interface Admission {
  /**
   * Takes a place for a client's body of so many bytes.
   * @throws UprezError `busy`, `rate-limited`
   */
  enter(client: string, bytes: number): Place
  readonly held: Held
}

export interface Place {
  /** From now on so many bytes are held here instead: nobody is turned out for it, but the next may be. */
  holds(bytes: number): void
  /** The picture is known, and goes to the engine. @throws UprezError `busy` */
  works(megapixels: number): void
  /** The engine is done with it. */
  worked(): void
  /** Gives the place back, once, however often it is called. */
  leave(): void
}

export interface Held {
  requests: number
  bytes: number
  /** In the engine, waiting or in work, as it computes them. */
  megapixels: number
}

type Limits = Pick<ServerLimits, 'maxInFlight' | 'maxInFlightBytes' | 'maxInFlightMegapixels' | 'clientInFlight'>

interface Share {
  client: string
  bytes: number
  megapixels: number
}

export function createAdmission(limits: Limits, rate: Rate = createRate()): Admission {
  const { maxInFlight, maxInFlightBytes, maxInFlightMegapixels, clientInFlight } = limits
  const places = new Map<Place, Share>()
  const sum = (of: 'bytes' | 'megapixels') => [...places.values()].reduce((sum, share) => sum + share[of], 0)

  return {
    enter(client, bytes) {
      const own = [...places.values()].filter(share => share.client === client).length
      if (clientInFlight > 0 && own >= clientInFlight) throw tooManyOfOne(clientInFlight, secondsFor(ofOne()))
      if (places.size >= maxInFlight) throw busy(`${maxInFlight} pictures`, secondsFor(ofOne()))
      if (places.size > 0 && sum('bytes') + bytes > maxInFlightBytes)
        throw busy(`${maxInFlightBytes} bytes of pictures`, secondsFor(ofOne()))
      return settle({ client, bytes, megapixels: 0 })
    },
    get held() {
      return { requests: places.size, bytes: sum('bytes'), megapixels: sum('megapixels') }
    },
  }

  function settle(share: Share): Place {
    let inWork = false
    const end = (megapixels: number) => {
      if (!inWork) return
      inWork = false
      share.megapixels = 0
      rate.end(megapixels)
    }
    const place: Place = {
      holds: bytes => {
        share.bytes = bytes
      },
      works: megapixels => {
        const held = sum('megapixels')
        const beyond = held + megapixels - maxInFlightMegapixels
        if (held > 0 && beyond > 0) throw busy(`${maxInFlightMegapixels} megapixels`, secondsFor(beyond))
        inWork = true
        share.megapixels = megapixels
        rate.begin()
      },
      worked: () => end(share.megapixels),
      leave: () => {
        end(0)
        places.delete(place)
      },
    }
    places.set(place, share)
    return place
  }

  /** Megapixels of a usual picture among those in work. */
  function ofOne(): number {
    const inWork = [...places.values()].filter(({ megapixels }) => megapixels > 0).length
    return sum('megapixels') / Math.max(1, inWork)
  }

  function secondsFor(megapixels: number): number {
    const { perSecond } = rate
    if (perSecond === undefined || megapixels === 0) return UNKNOWN_SECONDS
    return Math.min(LONGEST_SECONDS, Math.max(1, Math.ceil(megapixels / perSecond)))
  }
}

const UNKNOWN_SECONDS = 2
const LONGEST_SECONDS = 600

function busy(most: string, retryAfter: number): UprezError {
  const expected = `at most ${most} at once`
  return new UprezError('busy', `The server works on ${expected}; try again in ${retryAfter} s`, { expected, retryAfter })
}

export function tooManyOfOne(most: number, retryAfter = UNKNOWN_SECONDS): UprezError {
  const expected = `at most ${most} pictures of one client at once`
  return new UprezError('rate-limited', `Expected ${expected} (UPREZ_CLIENT_IN_FLIGHT); try again in ${retryAfter} s`, {
    expected,
    retryAfter,
  })
}
