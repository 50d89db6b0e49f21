#define W _Pragma("message \"flooding the output of the compiler with this message again and again and again\"")
#define A(x) x x x x x x x x x x
#define B(x) A(A(A(x)))
B(B(W))
int main(void)
{
	return 0;
}
