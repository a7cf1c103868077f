/** Recording in this environment. Operators that run while a program is recorded become a part of it. */
export const recording = {
  active: false,
  /** Values are not there: of large operators only the shapes are. */
  byShapes: false,
  /** How promise steps are recorded: from so many elements on, an operator is not computed where its shapes will do. */
  shapesFrom: 4096,
};
