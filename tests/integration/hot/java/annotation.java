import java.lang.annotation.*;

public class Main {
    @Retention(RetentionPolicy.RUNTIME)
    @interface Mark { String value() default "x"; }

    @Mark
    @Override
    public String toString() { return "m"; }

    @FunctionalInterface
    interface Two { void a(); void b(); }

    public static void main(String[] args) { }
}
