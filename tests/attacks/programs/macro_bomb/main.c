#define A(x) x x
#define B(x) A(A(A(A(A(x)))))
#define C(x) B(B(x))
#define D(x) C(C(C(x)))
int main(void)
{
	D("bomb";)
	return 0;
}
