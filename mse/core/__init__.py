"""Numbers only: arrays in, arrays out. No pandas, no class of the public API."""
