/** Colours of text that can be read on every ground of Airflow's: its own red and orange are too pale for that. */

/** Of what is wrong. */
export const BAD = { base: "red.700", _dark: "red.300" };

/** Of what needs attention. */
export const WARN = { base: "orange.800", _dark: "orange.300" };
