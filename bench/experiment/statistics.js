export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** Standard deviation of a sample. */
export const deviation = (values) => Math.sqrt(values.reduce((sum, x) => sum + (x - mean(values)) ** 2, 0) / (values.length - 1));

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * The paired t-test: the mean of the differences and its two-sided p-value; p is NaN for fewer than two differences, and where
 * they are all 0.
 */
export function pairedTest(differences) {
  const difference = mean(differences);
  if (differences.length < 2) return { difference, p: NaN };
  const t = difference / (deviation(differences) / Math.sqrt(differences.length));
  return { difference, p: studentTails(Math.abs(t), differences.length - 1) };
}

/** P(|T| > t) for Student's t with `freedom` degrees, by Simpson's rule over x = √freedom · tan(angle). */
export function studentTails(t, freedom) {
  const density = (angle) => Math.cos(angle) ** (freedom - 1);
  const integral = (from, to, pieces = 2000) => {
    const width = (to - from) / pieces;
    let sum = density(from) + density(to);
    for (let i = 1; i < pieces; i++) sum += (i % 2 === 0 ? 2 : 4) * density(from + i * width);
    return (sum * width) / 3;
  };
  const angle = Math.atan(t / Math.sqrt(freedom));
  return integral(angle, Math.PI / 2) / integral(0, Math.PI / 2);
}
