/** Whether a program is being recorded in this environment. Operators that run then become a part of it. */
export const recording = { active: false };
