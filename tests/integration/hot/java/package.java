package com.example.app;

public class Main {
    public static void main(String[] args) throws Exception {
        System.out.println(Main.class.getName() + Main.class.getPackageName());
    }
}
