import sharp from 'sharp'

/**
 * sharp with the doors shut: only the loaders of the formats that are read, and no cache of strangers' pictures.
 * Everybody who needs sharp takes it from here.
 */
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['VipsForeignLoadPng', 'VipsForeignLoadJpeg', 'VipsForeignLoadWebp', 'VipsForeignLoadHeif', 'VipsForeignLoadTiff'],
})
sharp.cache(false)
// Pictures run beside each other; more threads for one would only take them from another.
sharp.concurrency(1)

export { sharp }
