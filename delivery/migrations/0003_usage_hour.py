import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0002_archive'),
        ('subscriptions', '0002_archive_and_usage'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageHour',
            fields=[
                ('begins_at', models.DateTimeField(primary_key=True, serialize=False)),
                ('published_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('tenants', models.PositiveIntegerField(default=0, help_text='Tenants of which usage was published.')),
            ],
        ),
    ]
