package bridge

// The bug that a build with the tag planted has, if PELTON_PLANTED says so: one that a system of this kind has had.
const bugEarly = "202-before-stored"
