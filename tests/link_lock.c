/* link_lock.c - a program of nothing: CMakeLists.txt links it with whole layers to see that
 * they need none above them. */
int main(void)
{
    return 0;
}
