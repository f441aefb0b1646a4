// What the live page does.
