static char a[2147483000] = { 1 };
__asm__(".data\n.fill 2000000000, 1, 65\n");
int main(void)
{
	return a[0];
}
