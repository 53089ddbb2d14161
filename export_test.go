package deed

// SetStandard has Async projections run in another mode.
func SetStandard(m Mode) { standard = m }
