#include "main.c"
#include "main.c"
int x;
